// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where bundles go that come to the switch itself: by the endpoint ID of their destination.

use std::fmt;

use bundle::{Eid, Fault, Version, v6, v7, version};
use bundle::{Policy, Refusal};
use serde::Deserialize;

/// A set of endpoints.
///
/// The order is that of how much it says: of all patterns that match, the last one counts.
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(try_from = "String")]
pub enum Pattern {
    /// Every endpoint: `*`.
    Any,
    /// `dtn` endpoints whose name begins so: `dtn://NAME*`. Without the star, one endpoint.
    Dtn {
        /// What follows `dtn:`.
        name: String,
        /// Whether it is the whole name.
        whole: bool,
    },
    /// All services of a node: `ipn:NODE.*`.
    Node(u64),
    /// One endpoint: `ipn:NODE.SERVICE`.
    Service(u64, u64),
}

/// A text that is no pattern.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{0:?} is no pattern of endpoints: *, ipn:NODE.*, ipn:NODE.SERVICE, dtn://NAME or dtn://NAME*"
)]
pub struct PatternError(String);

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        let error = || PatternError(text.clone());
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Some(node) = text
            .strip_prefix("ipn:")
            .and_then(|ssp| ssp.strip_suffix(".*"))
        {
            let id = format!("ipn:{node}.0");
            let Ok(Eid::Ipn { node, .. }) = Eid::parse(&id) else {
                return Err(error());
            };
            return Ok(Self::Node(node));
        }
        let (exact, whole) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, false),
            None => (text.as_str(), true),
        };
        match Eid::parse(exact) {
            Ok(Eid::Ipn { node, service }) if whole => Ok(Self::Service(node, service)),
            Ok(Eid::Dtn(name)) => Ok(Self::Dtn {
                name: name.into_owned(),
                whole,
            }),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Dtn { name, whole } => write!(f, "dtn:{name}{}", if *whole { "" } else { "*" }),
            Self::Node(node) => write!(f, "ipn:{node}.*"),
            Self::Service(node, service) => write!(f, "ipn:{node}.{service}"),
        }
    }
}

impl Pattern {
    fn matches(&self, endpoint: &Eid<'_>) -> bool {
        match (self, endpoint) {
            (Self::Any, _) => true,
            (Self::Node(node), Eid::Ipn { node: found, .. }) => node == found,
            (
                Self::Service(node, service),
                Eid::Ipn {
                    node: found,
                    service: found_service,
                },
            ) => (node, service) == (found, found_service),
            (Self::Dtn { name, whole: true }, Eid::Dtn(found)) => name == found,
            (Self::Dtn { name, whole: false }, Eid::Dtn(found)) => found.starts_with(name),
            _ => false,
        }
    }
}

/// Values by pattern.
#[derive(Clone, Debug)]
pub struct Routes<T> {
    /// Those that say most come first.
    routes: Vec<(Pattern, T)>,
}

impl<T> Default for Routes<T> {
    fn default() -> Self {
        Self { routes: Vec::new() }
    }
}

impl<T> FromIterator<(Pattern, T)> for Routes<T> {
    fn from_iter<I: IntoIterator<Item = (Pattern, T)>>(routes: I) -> Self {
        let mut routes: Vec<_> = routes.into_iter().collect();
        routes.sort_by(|(one, _), (other, _)| other.cmp(one));
        // Longer beginnings of names say more, whatever their letters.
        routes.sort_by_key(|(pattern, _)| match pattern {
            Pattern::Dtn { name, whole } => (1, !whole, usize::MAX - name.len()),
            Pattern::Any => (2, false, 0),
            _ => (0, false, 0),
        });
        Self { routes }
    }
}

impl<T> Routes<T> {
    /// The value of the pattern that says most about this endpoint.
    #[must_use]
    pub fn find(&self, endpoint: &Eid<'_>) -> Option<&T> {
        let mut routes = self.routes.iter();
        let found = routes.find(|(pattern, _)| pattern.matches(endpoint));
        found.map(|(_, value)| value)
    }
}

/// The destination of a bundle.
///
/// # Errors
///
/// The octets are no bundle, or its destination is of an unknown scheme.
pub fn destination(octets: &[u8], policy: &Policy) -> Result<Eid<'static>, Refusal> {
    let owned = |eid: Result<Eid<'_>, Fault>| match eid {
        Ok(eid) => Ok(eid.into_owned()),
        Err(fault) => Err(Refusal {
            reason: fault.reason(),
            offset: 0,
            field: "destination",
            fault: Some(fault),
        }),
    };
    if version(octets) == Some(Version::V6) {
        let bundle = v6::Bundle::decode(octets)?;
        return owned(bundle.primary.eid(bundle.primary.destination));
    }
    let bundle = v7::Bundle::decode(octets, policy.tolerance)?;
    owned(bundle.primary.destination.normal())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.to_owned().try_into().expect("it is a pattern")
    }

    #[test]
    fn patterns_are_read_and_written() {
        for text in [
            "*",
            "ipn:5.*",
            "ipn:5.0",
            "dtn://n/a",
            "dtn://n/*",
            "dtn://*",
        ] {
            assert_eq!(pattern(text).to_string(), text);
        }
        for text in [
            "", "**", "ipn:*", "ipn:0.*", "ipn:*.1", "ipn:1.2*", "dtn:none", "dtn:*", "x:*",
        ] {
            assert!(Pattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_pattern_that_says_most_counts() {
        let texts = [
            "*",
            "dtn://n/*",
            "ipn:5.*",
            "dtn://n/app/*",
            "ipn:5.1",
            "dtn://n/app/1",
        ];
        let all = texts.map(|text| (pattern(text), text));
        let orders = [all.clone().to_vec(), all.into_iter().rev().collect()];
        for routes in orders {
            let routes: Routes<_> = routes.into_iter().collect();
            for (endpoint, expected) in [
                ("ipn:5.1", "ipn:5.1"),
                ("ipn:5.2", "ipn:5.*"),
                ("ipn:6.1", "*"),
                ("dtn://n/x", "dtn://n/*"),
                ("dtn://n/app/2", "dtn://n/app/*"),
                ("dtn://n/app/1", "dtn://n/app/1"),
                ("dtn://m/", "*"),
            ] {
                let endpoint = Eid::parse(endpoint).expect("it is an endpoint");
                assert_eq!(routes.find(&endpoint), Some(&expected), "{endpoint}");
            }
        }
        let none: Routes<()> = [(pattern("ipn:5.*"), ())].into_iter().collect();
        assert_eq!(none.find(&Eid::ipn(6, 1)), None);
    }
}
