// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the HTTP interface answers, and how its questions are read.

use axum::http::StatusCode;
use contact::UtcTime;
use control::supervise::{Status, now};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{backlog, planner::Refused, routing::Leg};

/// The description of the interface.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "sddtn-controller",
        description = "What the controller of an SDDTN cluster knows, and what operators can ask of it. \
                       With certificates, whoever writes needs one."
    ),
    paths(
        super::switches,
        super::nodes,
        super::contacts,
        super::plan,
        super::adapters,
        super::peers,
        super::backlog,
        super::rules,
        super::routes,
        super::reload,
        super::overrides,
        super::put_override,
        super::remove_override,
        super::watching::events,
        super::openapi,
        super::metrics
    )
)]
pub(crate) struct OpenApi;

/// A request that cannot be answered.
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

/// A request that is not of its form, and what is wrong.
pub(crate) struct Unsound(pub(crate) String);

/// Why there is no other answer.
#[derive(Serialize, ToSchema)]
pub(crate) struct Failure {
    /// For people.
    pub(crate) error: String,
}

/// How a switch is doing.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Switch {
    /// Its name.
    pub(crate) name: String,
    /// Where its P4Runtime server is.
    pub(crate) address: String,
    /// Number of the device there.
    pub(crate) device_id: u64,
    /// `standby`, `unreachable`, `backup`, `connected`, `refused`, `programmed` or `incomplete`.
    pub(crate) status: &'static str,
    /// More about it.
    pub(crate) detail: String,
}

/// A rule of a switch.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rule {
    /// The table, and what the entry matches.
    pub(crate) entry: String,
    /// Its action.
    pub(crate) action: String,
    /// When it begins.
    pub(crate) from: String,
    /// When it ends.
    pub(crate) until: String,
    /// Which route or contact it is of.
    pub(crate) why: String,
}

/// The route of a bundle.
#[derive(Serialize, ToSchema)]
pub(crate) struct Route {
    /// When it departs.
    pub(crate) departure: String,
    /// When its first octet arrives.
    pub(crate) arrival: String,
    /// How likely all contacts happen.
    pub(crate) confidence: f64,
    /// The version of the contact plan.
    pub(crate) plan: u64,
    /// The contacts, in their order.
    pub(crate) contacts: Vec<Contact>,
    /// What it would take if nothing waited, and does not take, or only later.
    pub(crate) left_out: Vec<LeftOut>,
}

/// A contact that is spoken for by what waits for it.
#[derive(Serialize, ToSchema)]
pub(crate) struct LeftOut {
    /// Number of the node that sends, where it waits.
    pub(crate) from: u64,
    /// Number of the node that receives.
    pub(crate) to: u64,
    /// When it begins.
    pub(crate) start: String,
    /// When it ends.
    pub(crate) end: String,
    /// When what waits is through; nothing if that fills the contact.
    pub(crate) free_from: Option<String>,
    /// How much of class bulk waits. It does not count.
    pub(crate) bulk_octets: u64,
    /// How much of class normal waits.
    pub(crate) normal_octets: u64,
    /// How much of class expedited waits.
    pub(crate) expedited_octets: u64,
    /// When the node reported that.
    pub(crate) reported: String,
    /// The same for people.
    pub(crate) why: String,
}

/// What waits at a node for a neighbour.
#[derive(Serialize, ToSchema)]
pub(crate) struct BacklogRow {
    /// Number of the node.
    pub(crate) node: u64,
    /// Number of the neighbour.
    pub(crate) neighbour: u64,
    /// How much of class bulk.
    pub(crate) bulk_octets: u64,
    /// How much of class normal.
    pub(crate) normal_octets: u64,
    /// How much of class expedited.
    pub(crate) expedited_octets: u64,
    /// When the node reported that.
    pub(crate) reported: String,
    /// Contacts that routes leave out for it, or take only later: `full`, or until when.
    pub(crate) taken: Vec<String>,
}

impl From<&backlog::LeftOut> for LeftOut {
    fn from(left_out: &backlog::LeftOut) -> Self {
        let backlog::LeftOut {
            leg,
            free_from,
            claim,
        } = left_out;
        Self {
            from: leg.from.0,
            to: leg.to.0,
            start: leg.start.to_text(),
            end: leg.end.to_text(),
            free_from: free_from.map(UtcTime::to_text),
            bulk_octets: claim.octets.bulk,
            normal_octets: claim.octets.normal,
            expedited_octets: claim.octets.expedited,
            reported: claim.at.to_text(),
            why: left_out.to_string(),
        }
    }
}

/// A contact of a route.
#[derive(Serialize, ToSchema)]
pub(crate) struct Contact {
    /// Number of the node that sends.
    pub(crate) from: u64,
    /// Number of the node that receives.
    pub(crate) to: u64,
    /// When it begins.
    pub(crate) start: String,
    /// When it ends.
    pub(crate) end: String,
}

/// A contact plan in the form of another implementation.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanText {
    /// The version of the plan.
    pub(crate) version: u64,
    /// Its form.
    pub(crate) format: String,
    /// The file.
    pub(crate) text: String,
}

/// A contact of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct ContactRow {
    /// Number of the node that sends.
    pub(crate) from: u64,
    /// Number of the node that receives.
    pub(crate) to: u64,
    /// When it begins.
    pub(crate) start: String,
    /// When it ends.
    pub(crate) end: String,
    /// Octets each second.
    pub(crate) bytes_per_second: u64,
    /// How likely it happens.
    pub(crate) confidence: f64,
}

impl From<&Leg> for Contact {
    fn from(leg: &Leg) -> Self {
        Self {
            from: leg.from.0,
            to: leg.to.0,
            start: leg.start.to_text(),
            end: leg.end.to_text(),
        }
    }
}

impl From<&contact::Contact> for ContactRow {
    fn from(contact: &contact::Contact) -> Self {
        Self {
            from: contact.from.0,
            to: contact.to.0,
            start: contact.start.to_text(),
            end: contact.end.to_text(),
            bytes_per_second: contact.rate.0,
            confidence: contact.confidence.probability(),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let status = match refused {
            Refused::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refused::NoSuch(_) => StatusCode::NOT_FOUND,
            Refused::NotHolder | Refused::NoState => StatusCode::CONFLICT,
        };
        Self(status, refused.to_string())
    }
}

impl From<Unsound> for Refusal {
    fn from(Unsound(text): Unsound) -> Self {
        Self(StatusCode::BAD_REQUEST, text)
    }
}

/// The arguments of a request.
pub(crate) struct Arguments<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Arguments<'a> {
    /// None of the arguments has letters that need an escape.
    pub(crate) fn new(query: Option<&'a str>) -> Self {
        let pairs = query.unwrap_or_default().split('&');
        Self(pairs.filter_map(|pair| pair.split_once('=')).collect())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'a str> {
        let mut pairs = self.0.iter();
        pairs
            .find(|(found, _)| *found == name)
            .map(|(_, value)| *value)
    }

    pub(crate) fn number(&self, name: &str) -> Result<u64, Refusal> {
        let number = self.find(name).and_then(|text| text.parse().ok());
        number.ok_or_else(|| Unsound(format!("{name} has to be a number")).into())
    }

    /// Yes or no; no if nothing is said.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.find(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Unsound(format!("{name} has to be true or false")).into()),
        }
    }

    /// A time; now if there is none.
    pub(crate) fn time(&self, name: &str) -> Result<UtcTime, Refusal> {
        let Some(text) = self.find(name) else {
            return Ok(now());
        };
        let time = UtcTime::from_text(text);
        let form = || format!("{name} has to be of the form 2026-11-28T06:00:00Z");
        time.ok_or_else(|| Unsound(form()).into())
    }
}

/// Names stand in addresses and in logs.
pub(crate) fn check_name(name: &str) -> Result<(), Unsound> {
    let is_fine = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_fine) {
        return Ok(());
    }
    Err(Unsound(format!(
        "a name has 1 to {MAX_NAME} letters, digits, and .-_"
    )))
}

/// Enough to say what an override is for.
const MAX_NAME: usize = 64;

pub(crate) fn words(status: &Status, holds: bool) -> (&'static str, String) {
    if !holds {
        return ("standby", "another controller holds the cluster".to_owned());
    }
    match status {
        Status::Unreachable { reason } => ("unreachable", reason.clone()),
        Status::Backup => ("backup", "another controller is primary".to_owned()),
        Status::Connected => ("connected", "being programmed".to_owned()),
        Status::Refused { reason } => ("refused", reason.clone()),
        Status::Programmed { items } => ("programmed", format!("{items} items")),
        Status::Incomplete { differences } => ("incomplete", format!("{differences} differences")),
    }
}
