// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the contact plan to what each switch is to hold, and when.

use std::{collections::BTreeMap, sync::Arc};

use contact::{
    Contact, ContactGraph, GraphOptions, NodeNumber, Plan, Query, Search, Span, UtcTime,
};
use control::{
    desired::Item,
    names,
    orders::{Intent, Origin},
    proto::{Neighbour, Route, SlowPath, Window},
    rules::{Note, Rule, Rules},
};
use p4rt::{
    Bits, Entry, Match,
    entries::{Fault, TableLine},
    entry::{Condition, EntryError, Key},
    p4info::Index,
};

use crate::{
    backlog::{LeftOut, Taken, TakenContact},
    config::{Link, Node, OptionValue},
    intent::{Misfit, neighbour_line},
    routing::{Choice, Itinerary, Leg, Piece, Terms, pieces},
};

/// A version of the contact plan, with the nodes and links of the configuration.
#[derive(Clone, Debug)]
pub struct Network {
    /// The version. Later plans have larger ones.
    pub version: u64,
    /// The plan.
    pub plan: Plan,
    /// The plan as a graph.
    pub graph: ContactGraph,
    /// How the graph is made of the plan.
    pub options: GraphOptions,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The links.
    pub links: Vec<Link>,
    /// Octets of a bundle that has to fit into each contact.
    pub bundle_octets: u64,
    /// How long before the end of a contact its rules end.
    pub guard: Span,
    /// What of the contacts is spoken for by what waits at nodes.
    pub taken: Option<Arc<Taken>>,
}

/// The priority of computed routes, so that operators have room above and below.
const ROUTE_PRIORITY: i32 = 1000;
/// The priority of what is for the node itself.
const DELIVER_PRIORITY: i32 = 1001;

/// Actions for endpoints, by number and by name.
#[derive(Clone, Copy)]
enum Act {
    Send(usize),
    Wait,
    Deliver,
}

impl Network {
    /// The node that is this switch.
    #[must_use]
    pub fn node_of(&self, switch: &str) -> Option<&Node> {
        self.nodes
            .iter()
            .find(|node| node.switch.as_deref() == Some(switch))
    }

    /// Adds what the switch of a node holds whatever the time is: that it is the node.
    ///
    /// # Errors
    /// What the program has no place for.
    pub fn add_to(&self, intent: &mut Intent, node: &Node, index: &Index) -> Result<(), Misfit> {
        let origin = || Origin::Configuration(format!("node {}", node.number));
        let mut put = |entry| intent.put(Item::Entry(entry), origin());
        if let Some(address) = node.address {
            let usual = [
                (names::ROUTES_NODE, node.number.to_string()),
                (names::ROUTES_SERVICE, "0".to_owned()),
                (names::ROUTES_RESIDENCE, node.residence_ms.to_string()),
            ];
            // Programs that do not make bundles older have no such parameter.
            let declared = index.action(names::ROUTES).map(|action| &action.params);
            let is_declared = |name: &str| {
                declared.is_none_or(|params| params.iter().any(|param| param.name == name))
            };
            let params = usual.into_iter().filter(|(name, _)| is_declared(name));
            let line = TableLine {
                table: names::PEER.to_owned(),
                fields: [(names::PEER_KEY.to_owned(), address.to_string())].into(),
                action: names::ROUTES.to_owned(),
                params: params
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
                priority: None,
            };
            put(resolve(node, &line, index)?);
        }
        for entry in endpoint_entries(node.id(), Some(node), Act::Deliver, index)
            .map_err(|fault| misfit(node, fault))?
        {
            put(entry);
        }
        Ok(())
    }

    /// The rules of a node from one time to another.
    ///
    /// # Errors
    /// What the program has no place for.
    pub fn rules(
        &self,
        search: &mut Search,
        node: &Node,
        times: (UtcTime, UtcTime),
        index: &Index,
    ) -> Result<Rules, Misfit> {
        let pieces = self.pieces(search, node, times);
        self.rules_of(node, &pieces, times, index)
    }

    /// The rules of a node that follow from pieces, and from its contacts.
    ///
    /// # Errors
    /// What the program has no place for.
    pub fn rules_of(
        &self,
        node: &Node,
        pieces: &[Piece],
        (from, until): (UtcTime, UtcTime),
        index: &Index,
    ) -> Result<Rules, Misfit> {
        let links: Vec<&Link> = self.links_of(node).collect();
        let mut rules = Vec::new();
        for (place, link) in links.iter().enumerate() {
            let mut line = neighbour_line(link, node.address, index);
            let number = (place + 1).to_string();
            line.fields = [(names::NEXT_HOP_NUMBER.to_owned(), number)].into();
            let entry = resolve(node, &line, index)?;
            for (start, end, contact) in self.windows(node.id(), link.to, (from, until)) {
                let (first, last) = (contact.start.to_text(), contact.end.to_text());
                let (here, to, version) = (node.number, link.to, self.version);
                let why = format!("contact {here} to {to} ({first} to {last}), plan {version}");
                rules.push(self.rule(entry.clone(), (start, end), why));
            }
        }
        for piece in pieces {
            let neighbour = piece.route.neighbour();
            let place = links
                .iter()
                .position(|link| Some(NodeNumber(link.to)) == neighbour);
            let act = match (piece.choice, place) {
                (Choice::Send, Some(place)) => Act::Send(place + 1),
                _ => Act::Wait,
            };
            let named = self
                .nodes
                .iter()
                .find(|node| node.id() == piece.destination);
            let entries = endpoint_entries(piece.destination, named, act, index);
            let why = format!(
                "route to node {}, plan {}: {}",
                piece.destination, self.version, piece.route
            );
            for entry in entries.map_err(|fault| misfit(node, fault))? {
                rules.push(self.rule(entry, (piece.from, piece.until), why.clone()));
            }
        }
        Rules::new(rules).map_err(|overlap| Misfit {
            place: format!("node {}: {overlap}", node.number),
            fault: Fault::Entry(EntryError::NoTable(overlap.key.table)),
        })
    }

    /// What the slow path of a node needs to route by the same pieces.
    #[must_use]
    pub fn slow_path(&self, node: &Node, pieces: &[Piece], times: (UtcTime, UtcTime)) -> SlowPath {
        let windows = self.links_of(node).flat_map(|link| {
            let windows = self.windows(node.id(), link.to, times).into_iter();
            windows.map(|(from, until, contact)| Window {
                neighbour: link.to,
                from_us: from.micros(),
                until_us: until.micros(),
                bytes_per_second: contact.rate.0,
            })
        });
        SlowPath {
            addresses: node.address.iter().map(ToString::to_string).collect(),
            neighbours: self
                .links_of(node)
                .map(|link| neighbour(link, node))
                .collect(),
            routes: self.routes(pieces),
            windows: windows.collect(),
            plain_routes: Vec::new(),
        }
    }

    /// Pieces as routes of a slow path.
    pub(crate) fn routes(&self, pieces: &[Piece]) -> Vec<Route> {
        let route = |piece: &Piece| {
            let named = self
                .nodes
                .iter()
                .find(|node| node.id() == piece.destination);
            Some(Route {
                destination: piece.destination.0,
                names: named.map_or(Vec::new(), |node| node.names.clone()),
                neighbour: piece.route.neighbour()?.0,
                from_us: piece.from.micros(),
                until_us: piece.until.micros(),
            })
        };
        pieces.iter().filter_map(route).collect()
    }

    /// What a node does with bundles for all destinations from one time to another.
    pub fn pieces(
        &self,
        search: &mut Search,
        node: &Node,
        times: (UtcTime, UtcTime),
    ) -> Vec<Piece> {
        self.pieces_beside(search, node, times, self.taken.as_deref())
    }

    /// The same as if nothing waited anywhere.
    pub(crate) fn plain_pieces(
        &self,
        search: &mut Search,
        node: &Node,
        times: (UtcTime, UtcTime),
    ) -> Vec<Piece> {
        self.pieces_beside(search, node, times, None)
    }

    fn pieces_beside(
        &self,
        search: &mut Search,
        node: &Node,
        times: (UtcTime, UtcTime),
        taken: Option<&Taken>,
    ) -> Vec<Piece> {
        let excluded = self.excluded(node);
        let terms = Terms {
            excluded: &excluded,
            bundle_octets: self.bundle_octets,
            guard: self.guard,
            taken,
        };
        let graph = taken.map_or(&self.graph, |taken| &taken.free);
        let plain = Terms {
            taken: None,
            ..terms
        };
        let destinations = self.graph.nodes().iter();
        let others = destinations.filter(|destination| **destination != node.id());
        let mut all = Vec::new();
        for &destination in others {
            let pair = (node.id(), destination);
            let found = pieces(graph, search, pair, times, terms);
            let rest = found.last().map_or(times.0, |last| last.until);
            all.extend(found);
            // Where there is no way beside what waits, bundles wait behind it.
            if taken.is_some() && rest < times.1 {
                all.extend(pieces(&self.graph, search, pair, (rest, times.1), plain));
            }
        }
        all
    }

    /// The route of a bundle that is at a node at a time; `None` if there is none.
    #[must_use]
    pub fn itinerary(&self, from: NodeNumber, to: NodeNumber, at: UtcTime) -> Option<Itinerary> {
        let beside = self.itinerary_beside((from, to, at), self.taken.as_deref());
        // Where there is no way beside what waits, bundles wait behind it.
        beside.or_else(|| self.itinerary_beside((from, to, at), None))
    }

    /// The contacts that a bundle would take if nothing waited for them, but does not take, or only
    /// later, or for want of another way.
    #[must_use]
    pub fn left_out(&self, from: NodeNumber, to: NodeNumber, at: UtcTime) -> Vec<LeftOut> {
        let Some(taken) = self.taken.as_deref() else {
            return Vec::new();
        };
        let plain = self.itinerary_beside((from, to, at), None);
        let legs = plain.map_or(Vec::new(), |plain| plain.legs);
        let of = |contact: &&TakenContact| legs.contains(&Leg::of(&contact.contact));
        taken.contacts().filter(of).map(LeftOut::of).collect()
    }

    fn itinerary_beside(
        &self,
        (from, to, at): (NodeNumber, NodeNumber, UtcTime),
        taken: Option<&Taken>,
    ) -> Option<Itinerary> {
        let node = self.nodes.iter().find(|node| node.id() == from);
        let excluded = node.map_or(Vec::new(), |node| self.excluded(node));
        let query = Query {
            bytes: self.bundle_octets,
            excluded: &excluded,
            ..Query::new(from, at)
        };
        let graph = taken.map_or(&self.graph, |taken| &taken.free);
        let route = Search::new().best_route(graph, &query, to)?;
        Some(Itinerary::of(graph, &route, taken))
    }

    /// The links that start at a node, in the order of the configuration.
    pub fn links_of(&self, node: &Node) -> impl Iterator<Item = &Link> {
        let number = node.number;
        self.links.iter().filter(move |link| link.from == number)
    }

    /// The neighbours in the plan that a node with a switch has no link to. Of other nodes nothing
    /// is known.
    pub(crate) fn excluded(&self, node: &Node) -> Vec<NodeNumber> {
        if node.switch.is_none() {
            return Vec::new();
        }
        let contacts = self.graph.contacts().iter();
        let neighbours = contacts.filter(|contact| contact.from == node.id());
        let mut excluded: Vec<_> = neighbours.map(|contact| contact.to).collect();
        excluded.sort_unstable();
        excluded.dedup();
        excluded.retain(|to| !self.links_of(node).any(|link| NodeNumber(link.to) == *to));
        excluded
    }

    /// When a node may send to a neighbour, and the contact. Contacts that follow each other are one.
    fn windows(
        &self,
        from: NodeNumber,
        to: u64,
        (begin, end): (UtcTime, UtcTime),
    ) -> Vec<(UtcTime, UtcTime, Contact)> {
        let mut joined: Vec<Contact> = Vec::new();
        let usable = self.graph.contacts().iter();
        for contact in usable.filter(|contact| contact.from == from && contact.to.0 == to) {
            match joined.last_mut() {
                Some(last) if last.end == contact.start => {
                    last.end = contact.end;
                    last.rate = last.rate.min(contact.rate);
                }
                _ => joined.push(*contact),
            }
        }
        let window = |contact: Contact| {
            let close = contact.end.micros().saturating_sub(self.guard.micros());
            let start = contact.start.max(begin);
            let close = UtcTime::from_micros(close).min(end);
            (start < close).then_some((start, close, contact))
        };
        joined.into_iter().filter_map(window).collect()
    }

    fn rule(&self, entry: Entry, (from, until): (UtcTime, UtcTime), why: String) -> Rule {
        let version = self.version;
        Rule::new(entry, Note { version, until }, from, why)
    }
}

fn neighbour(link: &Link, node: &Node) -> Neighbour {
    let source = link.source.or(node.address);
    let number = |value: &OptionValue| match value {
        OptionValue::Bool(value) => Some(u64::from(*value)),
        OptionValue::Number(value) => Some(*value),
        OptionValue::Text(text) => text.parse().ok(),
    };
    let options = link.options.iter();
    Neighbour {
        node: link.to,
        port: link.port,
        ethernet: link.ethernet.to_string(),
        ethernet_source: link.ethernet_source.to_string(),
        address: link.address.to_string(),
        source: source.map_or(String::new(), |source| source.to_string()),
        speaks: link.speaks.into(),
        options: options
            .filter_map(|(name, value)| Some((name.clone(), number(value)?)))
            .collect(),
    }
}

fn resolve(node: &Node, line: &TableLine, index: &Index) -> Result<Entry, Misfit> {
    line.resolve(index).map_err(|(place, fault)| Misfit {
        place: format!("node {}{place}", node.number),
        fault,
    })
}

fn misfit(node: &Node, fault: EntryError) -> Misfit {
    Misfit {
        place: format!("node {}", node.number),
        fault: fault.into(),
    }
}

/// The entries for all endpoints of a node: those with its number, and those with its names.
fn endpoint_entries(
    number: NodeNumber,
    named: Option<&Node>,
    act: Act,
    index: &Index,
) -> Result<Vec<Entry>, EntryError> {
    let mask = Bits::from(u64::MAX);
    let value = Bits::from(number.0);
    let fields = [(
        names::ENDPOINT_NODE.to_owned(),
        Match::Ternary { value, mask },
    )];
    let priority = match act {
        Act::Deliver => DELIVER_PRIORITY,
        Act::Send(_) | Act::Wait => ROUTE_PRIORITY,
    };
    let mut entries = vec![entry(names::ENDPOINT, fields.into(), priority, act)];
    for name in named.map_or(&[][..], |node| &node.names) {
        let fields = [(
            names::NAMED_ENDPOINT_NAME.to_owned(),
            beginning(name, index)?,
        )];
        entries.push(entry(names::NAMED_ENDPOINT, fields.into(), 0, act));
    }
    // The message is not needed here, but making it checks the entry.
    entries
        .iter()
        .try_for_each(|entry| entry.to_proto(index).map(|_| ()))?;
    Ok(entries)
}

fn entry(table: &str, fields: BTreeMap<String, Match>, priority: i32, act: Act) -> Entry {
    let by_number = table == names::ENDPOINT;
    let (action, next_hop) = match act {
        Act::Send(number) if by_number => (names::TO_NEXT_HOP, Some(number)),
        Act::Send(number) => (names::NAMED_TO_NEXT_HOP, Some(number)),
        Act::Wait if by_number => (names::STORE, None),
        Act::Wait => (names::NAMED_STORE, None),
        Act::Deliver if by_number => (names::DELIVER, None),
        Act::Deliver => (names::NAMED_DELIVER, None),
    };
    let params = next_hop.map(|number| {
        let bits = Bits::from(number as u64);
        (names::TO_NEXT_HOP_NUMBER.to_owned(), bits)
    });
    Entry {
        key: Key {
            table: table.to_owned(),
            condition: Condition::Match { fields, priority },
        },
        action: action.to_owned(),
        params: params.into_iter().collect(),
        metadata: Vec::new(),
    }
}

/// Names that begin so: the program compares from the first letter on.
fn beginning(name: &str, index: &Index) -> Result<Match, EntryError> {
    let table = index.table(names::NAMED_ENDPOINT);
    let table = table.ok_or_else(|| EntryError::NoTable(names::NAMED_ENDPOINT.to_owned()))?;
    let field = names::NAMED_ENDPOINT_NAME;
    let width_bits = table.field(field).map_or(0, |field| field.width_bits);
    let octets = width_bits as usize / 8;
    if name.len() > octets {
        let field = field.to_owned();
        return Err(EntryError::TooWide { field, width_bits });
    }
    let mut value = name.as_bytes().to_vec();
    value.resize(octets, 0);
    let prefix_len = u32::try_from(name.len() * 8).unwrap_or(width_bits);
    Ok(Match::Lpm {
        value: Bits::from_wire(&value),
        prefix_len,
    })
}
