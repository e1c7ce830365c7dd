// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The option that chooses a profile.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use p4gen::Profile;

#[derive(Debug, clap::Args)]
pub(crate) struct ProfileArg {
    /// How times and sequence numbers cross: `a` moves the milliseconds into the sequence number,
    /// `n` leaves it alone; every translator of a network needs the same.
    #[arg(long, default_value = Profile::A.letter(), ignore_case = true, value_parser = parser())]
    pub(crate) profile: Profile,
}

fn parser() -> impl TypedValueParser<Value = Profile> {
    PossibleValuesParser::new(Profile::ALL.map(Profile::letter)).try_map(|letter| letter.parse())
}
