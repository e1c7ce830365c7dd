// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which election ids a session offers, so that controllers and stand-ins give way to each other.
//!
//! A switch that follows the specification has no primary after the primary has left, until a
//! stream offers an id that is at least as high as the highest one ever seen. A backup with a lower
//! id never becomes primary by waiting. So the upper 64 bits are an epoch, which only controllers
//! raise and which fences off older ones, and the lower 64 bits are a term in it. Even terms are the
//! controller's, odd ones are the stand-in's; each offers the next one to take over from the other.

use std::time::Duration;

use tonic::Code;

/// What a session offers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bidding {
    /// Always the same id.
    Fixed(u128),
    /// The ids of the controller in an epoch; not 0. It takes over from stand-ins of the epoch, and
    /// stays backup to controllers of the same epoch that are there, and of later ones.
    Controller {
        /// Larger wins against other controllers.
        epoch: u64,
    },
    /// The ids of a stand-in: the lowest one, until there has been no primary for so long.
    StandIn {
        /// How long a controller may be away before the stand-in takes over.
        patience: Duration,
    },
}

/// What to do about an answer to an offer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    /// Leave it at that.
    Accept,
    /// Offer this id.
    Offer(u128),
    /// Offer this id if there is no primary for so long.
    OfferAfter(Duration, u128),
}

impl Bidding {
    /// The id that a session begins with.
    #[must_use]
    pub fn first(self) -> u128 {
        match self {
            Self::Fixed(id) => id,
            Self::Controller { epoch } => join(epoch, 0),
            Self::StandIn { .. } => join(0, 1),
        }
    }

    /// What to do when a switch says who is primary.
    pub(crate) fn reply(self, own: u128, code: Code, highest: Option<u128>) -> Reply {
        let Some(highest) = highest.filter(|_| code != Code::Ok) else {
            return Reply::Accept;
        };
        let (epoch, term) = split(highest);
        let vacant = code == Code::NotFound;
        match self {
            Self::Controller { epoch: mine } if mine == epoch => {
                if is_stand_in(term) {
                    offer(epoch, term.checked_add(1))
                } else if vacant && highest != own {
                    // Its own id of an earlier connection.
                    Reply::Offer(highest)
                } else {
                    Reply::Accept
                }
            }
            Self::StandIn { patience } if vacant => {
                match offer(
                    epoch,
                    term.checked_add(if is_stand_in(term) { 2 } else { 1 }),
                ) {
                    Reply::Offer(id) => Reply::OfferAfter(patience, id),
                    other => other,
                }
            }
            _ => Reply::Accept,
        }
    }
}

const fn is_stand_in(term: u64) -> bool {
    term % 2 == 1
}

/// After the last term of an epoch only another epoch helps.
fn offer(epoch: u64, term: Option<u64>) -> Reply {
    term.map_or(Reply::Accept, |term| Reply::Offer(join(epoch, term)))
}

const fn join(epoch: u64, term: u64) -> u128 {
    (epoch as u128) << 64 | term as u128
}

fn split(id: u128) -> (u64, u64) {
    let low = u64::try_from(id & u128::from(u64::MAX)).expect("64 bits are left");
    (u64::try_from(id >> 64).expect("64 bits are left"), low)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);
    const STAND_IN: Bidding = Bidding::StandIn { patience: PATIENCE };
    const CONTROLLER: Bidding = Bidding::Controller { epoch: 7 };

    #[test]
    fn a_stand_in_waits_and_offers_more_than_was_ever_seen() {
        let own = STAND_IN.first();
        let reply = |code, highest| STAND_IN.reply(own, code, Some(highest));
        assert_eq!(reply(Code::AlreadyExists, join(7, 0)), Reply::Accept);
        assert_eq!(reply(Code::Ok, own), Reply::Accept);
        for (highest, offered) in [(0, 1), (1, 3), (4, 5)] {
            let expected = Reply::OfferAfter(PATIENCE, join(7, offered));
            assert_eq!(reply(Code::NotFound, join(7, highest)), expected);
        }
    }

    #[test]
    fn a_controller_takes_over_from_stand_ins_of_its_epoch_only() {
        let own = CONTROLLER.first();
        let reply = |code, epoch, term| CONTROLLER.reply(own, code, Some(join(epoch, term)));
        let there = Code::AlreadyExists;
        assert_eq!(reply(there, 7, 1), Reply::Offer(join(7, 2)));
        assert_eq!(reply(Code::NotFound, 7, 3), Reply::Offer(join(7, 4)));
        // Another controller with the same number is there, or a newer one was.
        assert_eq!(reply(there, 7, 2), Reply::Accept);
        assert_eq!(reply(there, 8, 1), Reply::Accept);
        assert_eq!(reply(Code::NotFound, 8, 0), Reply::Accept);
        // Its own earlier connection.
        assert_eq!(reply(Code::NotFound, 7, 2), Reply::Offer(join(7, 2)));
        assert_eq!(reply(Code::NotFound, 7, u64::MAX), Reply::Accept);
    }

    #[test]
    fn each_takes_over_from_the_other_again_and_again() {
        let (mut highest, mut last) = (join(7, 0), 0);
        for _ in 0..10 {
            let Reply::OfferAfter(_, id) = STAND_IN.reply(1, Code::NotFound, Some(highest)) else {
                panic!("the stand-in takes over");
            };
            let Reply::Offer(back) = CONTROLLER.reply(highest, Code::AlreadyExists, Some(id))
            else {
                panic!("the controller takes over");
            };
            assert!(highest < id && id < back);
            (last, highest) = (highest, back);
        }
        assert!(last < highest);
    }

    #[test]
    fn fixed_ids_stay() {
        let fixed = Bidding::Fixed(5);
        assert_eq!(fixed.first(), 5);
        assert_eq!(fixed.reply(5, Code::NotFound, Some(9)), Reply::Accept);
    }
}
