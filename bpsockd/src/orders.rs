// SPDX-License-Identifier: Apache-2.0 OR MIT
//! For agents with a connection for each endpoint: commands go to the task of their endpoint.

use std::collections::BTreeMap;
use std::future::Future;

use bpsock::Address;
use bpsock::abi::BundleId;
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::agent::{Command, Delivery, Event, Link, Outgoing, Registration, Request};

/// What a task does for its endpoint.
#[derive(Debug)]
pub(crate) enum Order {
    Send(Request, Outgoing),
    Cancel(Request, BundleId),
    Acknowledge(Delivery),
    Pause(Delivery),
    Refuse(Delivery),
    Resume,
}

/// An endpoint to register, and what it hears and says. The task ends when there are no more orders.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) registration: Registration,
    pub(crate) wanted: Address,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) events: mpsc::Sender<Event>,
}

/// Orders that may wait for one endpoint.
const ORDERS: usize = 256;

/// Starts a task for each endpoint, and hands commands to them until there are no more.
pub(crate) async fn hand_out<F>(mut link: Link, start: impl Fn(Opened) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut endpoints: BTreeMap<Registration, mpsc::Sender<Order>> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    while let Some(command) = link.commands.recv().await {
        // Tasks that have ended were told to.
        while tasks.try_join_next().is_some() {}
        let (registration, order) = match command {
            Command::Register {
                registration,
                address,
            } => {
                let (sender, orders) = mpsc::channel(ORDERS);
                endpoints.insert(registration, sender);
                tasks.spawn(start(Opened {
                    registration,
                    wanted: address,
                    orders,
                    events: link.events.clone(),
                }));
                continue;
            }
            Command::Unregister(registration) => {
                endpoints.remove(&registration);
                continue;
            }
            Command::Send {
                request,
                registration,
                message,
            } => (registration, Order::Send(request, message)),
            Command::Cancel {
                request,
                registration,
                bundle,
            } => (registration, Order::Cancel(request, bundle)),
            Command::Acknowledge(registration, it) => (registration, Order::Acknowledge(it)),
            Command::Pause(registration, it) => (registration, Order::Pause(it)),
            Command::Refuse(registration, it) => (registration, Order::Refuse(it)),
            Command::Resume(registration) => (registration, Order::Resume),
        };
        let undone = match endpoints.get(&registration) {
            Some(orders) => orders.send(order).await.err().map(|error| error.0),
            None => Some(order),
        };
        if let Some(answer) = undone.and_then(|order| refusal(&order, Errno::BADF)) {
            tell(&link.events, answer).await;
        }
    }
    drop(endpoints);
    while tasks.join_next().await.is_some() {}
}

/// The answer to an order that is not carried out.
pub(crate) fn refusal(order: &Order, error: Errno) -> Option<Event> {
    match order {
        Order::Send(request, _) => Some(Event::Sent(*request, Err(error))),
        Order::Cancel(request, _) => Some(Event::Cancelled(*request, Err(error))),
        Order::Acknowledge(_) | Order::Pause(_) | Order::Refuse(_) | Order::Resume => None,
    }
}

/// Says something to the daemon.
pub(crate) async fn tell(events: &mpsc::Sender<Event>, event: Event) {
    // Without a daemon nobody wants to know.
    let _ = events.send(event).await;
}
