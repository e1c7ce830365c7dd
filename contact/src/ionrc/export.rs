// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a plan to commands.

use std::fmt;

use crate::civil::Civil;
use crate::ionrc::ExportError;
use crate::model::{Confidence, Contact, Range, UtcTime};
use crate::plan::Plan;

/// Writes a plan: one command a line, with dates, in the order of the plan.
///
/// # Errors
///
/// A time is after the year 9999, or is not in whole seconds. [`Plan::in_whole_seconds`] is the
/// plan that can be written then.
pub fn export(plan: &Plan) -> Result<String, ExportError> {
    let mut text = String::new();
    for contact in plan.contacts() {
        text.push_str(&contact_line(contact)?);
    }
    for range in plan.ranges() {
        text.push_str(&range_line(range)?);
    }
    Ok(text)
}

fn contact_line(contact: &Contact) -> Result<String, ExportError> {
    let Contact {
        from,
        to,
        start,
        end,
        rate,
        confidence,
    } = *contact;
    let (start, end) = (date(start)?, date(end)?);
    let command = format!("a contact {start} {end} {from} {to} {}", rate.0);
    Ok(if confidence == Confidence::CERTAIN {
        command + "\n"
    } else {
        // The shortest decimal that is this number again when it is read, and no exponent.
        format!("{command} {}\n", confidence.probability())
    })
}

fn range_line(range: &Range) -> Result<String, ExportError> {
    let Range {
        from,
        to,
        start,
        end,
        light_time,
    } = *range;
    let (start, end) = (date(start)?, date(end)?);
    if !light_time.is_whole_seconds() {
        return Err(ExportError::LightTime(light_time));
    }
    Ok(format!("a range {start} {end} {from} {to} {light_time}\n"))
}

fn date(time: UtcTime) -> Result<Civil, ExportError> {
    if !time.is_whole_second() {
        return Err(ExportError::Fraction(time));
    }
    Civil::of(time).ok_or(ExportError::Time(time))
}

/// The format of ION's dates.
impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            f,
            "{year:04}/{month:02}/{day:02}-{hour:02}:{minute:02}:{second:02}"
        )
    }
}
