// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The life of a session with a switch: arbitration, loss and return.
//!
//! [`Core`] takes events and returns actions. It has no connection and no clock of its own, so
//! that its tests run through hours of failures in no time.

use std::time::Duration;

use tonic::Code;

use crate::bidding::{Bidding, Reply};

/// How long to wait before the next attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// After many failures; each failure before that doubles the wait.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// The wait after a number of failures in a row.
    ///
    /// `jitter` shortens it by up to a quarter, so that controllers that lost a switch together do
    /// not come back together.
    #[must_use]
    pub fn wait(&self, failures: u32, jitter: Jitter) -> Duration {
        let factor = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.longest);
        full.saturating_sub(full / 4 * u32::from(jitter.0) / 256)
    }
}

/// A random number for one wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Jitter(pub u8);

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// The connection and its stream exist.
    Connected,
    /// The switch spoke about who is primary.
    Arbitration {
        /// `OK`, `ALREADY_EXISTS` or `NOT_FOUND`.
        code: Code,
        /// The highest election id that the switch knows.
        highest: Option<u128>,
    },
    /// Connecting failed or the stream ended.
    Lost {
        /// Why, for people.
        reason: String,
        /// For the wait that follows.
        jitter: Jitter,
    },
    /// The wait is over.
    WaitOver,
    /// The time of [`Action::TakeOverAfter`] is over.
    TakeOver,
}

/// What to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// Connect and open a stream.
    Connect,
    /// Send [`Core::election_id`].
    Bid,
    /// Send [`Event::TakeOver`] after this time, unless the stream ends before.
    TakeOverAfter(Duration),
    /// Send [`Event::WaitOver`] after this time.
    Wait(Duration),
}

/// Where a session stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// No answer to the first attempt yet.
    Connecting,
    /// Connected; the switch has not said who is primary.
    Bidding,
    /// This session may write.
    Primary,
    /// Another session may write, or none.
    Backup {
        /// The highest election id that the switch knows.
        highest: Option<u128>,
        /// Whether its owner is connected.
        other: OtherPrimary,
    },
    /// Not connected; another attempt follows.
    Lost {
        /// Why, for people.
        reason: String,
        /// Attempts that failed since the last connection.
        failures: u32,
    },
}

/// Whether another controller is primary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OtherPrimary {
    /// It is connected.
    Present,
    /// It was, and has left. A session with a lower id stays backup all the same.
    Gone,
}

/// The logic of one session.
#[derive(Clone, Debug)]
pub struct Core {
    backoff: Backoff,
    bidding: Bidding,
    election_id: u128,
    /// What to offer if nobody is primary when the time is over.
    reserve: Option<u128>,
    failures: u32,
    phase: Phase,
    state: State,
}

/// What the session waits for. [`State`] is for others, and shows a loss until it is made good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Connecting,
    Live,
    Waiting,
}

impl Core {
    /// Starts a session; the first action is to connect.
    #[must_use]
    pub fn new(backoff: Backoff, bidding: Bidding) -> (Self, Action) {
        let core = Self {
            backoff,
            bidding,
            election_id: bidding.first(),
            reserve: None,
            failures: 0,
            phase: Phase::Connecting,
            state: State::Connecting,
        };
        (core, Action::Connect)
    }

    /// Where the session stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What the session offers.
    #[must_use]
    pub fn election_id(&self) -> u128 {
        self.election_id
    }

    /// Takes an event. An event that does not belong to the phase has no effect.
    pub fn handle(&mut self, event: Event) -> Option<Action> {
        match (event, self.phase) {
            (Event::Connected, Phase::Connecting) => {
                self.phase = Phase::Live;
                self.state = State::Bidding;
                Some(Action::Bid)
            }
            (Event::Arbitration { code, highest }, Phase::Live) => self.arbitrated(code, highest),
            (Event::TakeOver, Phase::Live) => {
                self.election_id = self.reserve.take()?;
                Some(Action::Bid)
            }
            (Event::Lost { reason, jitter }, Phase::Connecting | Phase::Live) => {
                self.failures = self.failures.saturating_add(1);
                self.reserve = None;
                self.phase = Phase::Waiting;
                self.state = State::Lost {
                    reason,
                    failures: self.failures,
                };
                Some(Action::Wait(self.backoff.wait(self.failures, jitter)))
            }
            (Event::WaitOver, Phase::Waiting) => {
                self.phase = Phase::Connecting;
                Some(Action::Connect)
            }
            _ => None,
        }
    }

    /// Only an answer ends a row of failures: a switch that accepts the connection and then closes
    /// the stream would otherwise be asked again and again without a growing wait.
    fn arbitrated(&mut self, code: Code, highest: Option<u128>) -> Option<Action> {
        self.failures = 0;
        self.reserve = None;
        self.state = match code {
            Code::Ok => State::Primary,
            Code::NotFound => State::Backup {
                highest,
                other: OtherPrimary::Gone,
            },
            _ => State::Backup {
                highest,
                other: OtherPrimary::Present,
            },
        };
        match self.bidding.reply(self.election_id, code, highest) {
            Reply::Accept => None,
            Reply::Offer(id) => {
                self.election_id = id;
                Some(Action::Bid)
            }
            Reply::OfferAfter(patience, id) => {
                self.reserve = Some(id);
                Some(Action::TakeOverAfter(patience))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_secs(2),
        longest: Duration::from_secs(10),
    };

    fn lost(jitter: u8) -> Event {
        Event::Lost {
            reason: "refused".to_owned(),
            jitter: Jitter(jitter),
        }
    }

    fn answer(code: Code) -> Event {
        Event::Arbitration {
            code,
            highest: Some(7),
        }
    }

    #[test]
    fn the_wait_doubles_up_to_the_longest() {
        let seconds = |failures| BACKOFF.wait(failures, Jitter(0)).as_secs();
        assert_eq!([1, 2, 3, 4, 40].map(seconds), [2, 4, 8, 10, 10]);
    }

    #[test]
    fn jitter_shortens_the_wait_by_less_than_a_quarter() {
        let shortest = BACKOFF.wait(4, Jitter(255));
        assert!(shortest > Duration::from_millis(7_500) && shortest < Duration::from_secs(8));
    }

    #[test]
    fn a_session_bids_and_becomes_primary() {
        let (mut core, first) = Core::new(BACKOFF, Bidding::Fixed(7));
        assert_eq!(first, Action::Connect);
        assert_eq!(core.handle(Event::Connected), Some(Action::Bid));
        assert_eq!(core.state(), &State::Bidding);
        assert_eq!(core.handle(answer(Code::Ok)), None);
        assert_eq!(core.state(), &State::Primary);
    }

    #[test]
    fn primacy_comes_and_goes_without_a_new_connection() {
        let (mut core, _) = Core::new(BACKOFF, Bidding::Fixed(7));
        core.handle(Event::Connected);
        core.handle(answer(Code::AlreadyExists));
        let backup = |other| State::Backup {
            highest: Some(7),
            other,
        };
        assert_eq!(core.state(), &backup(OtherPrimary::Present));
        core.handle(answer(Code::NotFound));
        assert_eq!(core.state(), &backup(OtherPrimary::Gone));
        core.handle(answer(Code::Ok));
        assert_eq!(core.state(), &State::Primary);
    }

    #[test]
    fn a_stand_in_offers_more_only_if_nobody_is_primary_for_long() {
        let patience = Duration::from_secs(3);
        let (mut core, _) = Core::new(BACKOFF, Bidding::StandIn { patience });
        core.handle(Event::Connected);
        let first = core.election_id();
        assert_eq!(core.handle(answer(Code::AlreadyExists)), None);
        let wait = Some(Action::TakeOverAfter(patience));
        assert_eq!(core.handle(answer(Code::NotFound)), wait);
        // The controller is back in time.
        assert_eq!(core.handle(answer(Code::AlreadyExists)), None);
        assert_eq!(core.handle(Event::TakeOver), None);
        assert_eq!(core.election_id(), first);
        assert_eq!(core.handle(answer(Code::NotFound)), wait);
        assert_eq!(core.handle(Event::TakeOver), Some(Action::Bid));
        assert!(core.election_id() > 7, "{}", core.election_id());
        assert_eq!(core.handle(answer(Code::Ok)), None);
        assert_eq!(core.state(), &State::Primary);
    }

    #[test]
    fn a_lost_session_waits_and_connects_again() {
        let (mut core, _) = Core::new(BACKOFF, Bidding::Fixed(7));
        assert_eq!(
            core.handle(lost(0)),
            Some(Action::Wait(Duration::from_secs(2)))
        );
        assert_eq!(core.handle(lost(0)), None, "one loss is one wait");
        assert_eq!(core.handle(Event::WaitOver), Some(Action::Connect));
        assert_eq!(
            core.handle(lost(0)),
            Some(Action::Wait(Duration::from_secs(4)))
        );
        let failed = State::Lost {
            reason: "refused".to_owned(),
            failures: 2,
        };
        assert_eq!(core.state(), &failed);
    }

    #[test]
    fn only_an_answer_ends_the_row_of_failures() {
        let (mut core, _) = Core::new(BACKOFF, Bidding::Fixed(7));
        core.handle(lost(0));
        core.handle(Event::WaitOver);
        core.handle(Event::Connected);
        assert_eq!(
            core.handle(lost(0)),
            Some(Action::Wait(Duration::from_secs(4)))
        );
        core.handle(Event::WaitOver);
        core.handle(Event::Connected);
        core.handle(answer(Code::Ok));
        assert_eq!(
            core.handle(lost(0)),
            Some(Action::Wait(Duration::from_secs(2)))
        );
    }

    #[test]
    fn late_events_have_no_effect() {
        let (mut core, _) = Core::new(BACKOFF, Bidding::Fixed(7));
        assert_eq!(core.handle(Event::WaitOver), None);
        assert_eq!(core.handle(answer(Code::Ok)), None);
        assert_eq!(core.state(), &State::Connecting);
        core.handle(lost(0));
        assert_eq!(core.handle(answer(Code::Ok)), None);
        assert!(matches!(core.state(), State::Lost { .. }));
    }
}
