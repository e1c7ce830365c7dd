// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Names of a test: whole, or the last part of one.

use p4::ir::{ActionId, Key, Program, Table, TableId};

use super::play::Fault;

/// The object that a name means: one that has it, or the only one whose name ends in it.
pub(super) fn find<'n>(
    names: impl Iterator<Item = &'n str> + Clone,
    wanted: &str,
    kind: &'static str,
) -> Result<usize, Fault> {
    let wanted = brackets(wanted);
    if let Some(found) = names.clone().position(|name| name == wanted) {
        return Ok(found);
    }
    let part = |name: &str| {
        let rest = name.strip_suffix(wanted.as_str());
        rest.is_some_and(|rest| rest.ends_with('.'))
    };
    let (parts, ends) = (names.clone(), names);
    let of_parts = parts.enumerate().filter(|(_, name)| part(name));
    let of_ends = ends
        .enumerate()
        .filter(|(_, name)| name.ends_with(wanted.as_str()));
    let found: Vec<usize> = of_parts.map(|(index, _)| index).collect();
    let found = match found.as_slice() {
        [] => of_ends.map(|(index, _)| index).collect(),
        _ => found,
    };
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Fault::Unknown { kind, name: wanted }),
        _ => Err(Fault::Ambiguous { kind, name: wanted }),
    }
}

pub(super) fn table(program: &Program, name: &str) -> Result<TableId, Fault> {
    let names = program.tables.iter().map(|table| table.name.as_str());
    let index = find(names, name, "table")?;
    Ok(TableId(u32::try_from(index).unwrap_or(u32::MAX)))
}

/// An action that the table can run. Of those that only differ in bound arguments, the first.
pub(super) fn action(program: &Program, table: &Table, name: &str) -> Result<ActionId, Fault> {
    let actions: Vec<ActionId> = table.actions.iter().map(|one| one.action).collect();
    let name_of = |action: &ActionId| program.actions[action.index()].name.as_str();
    let index = find(actions.iter().map(name_of), name, "action")?;
    Ok(actions[index])
}

/// A key; `valid` stands for the validity of the header that the name has before it.
pub(super) fn key(keys: &[Key], name: &str) -> Result<usize, Fault> {
    let names = keys.iter().map(|key| key.name.as_str());
    find(names.clone(), name, "key").or_else(|fault| {
        let Some(header) = name
            .strip_suffix("$valid")
            .or_else(|| name.strip_suffix("$valid$"))
            .or_else(|| name.strip_suffix("valid"))
        else {
            return Err(fault);
        };
        find(names, &format!("{header}isValid()"), "key").map_err(|_| fault)
    })
}

/// `extra$0.h` is another way to write `extra[0].h`.
fn brackets(name: &str) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            text.push('$');
        } else {
            text.push('[');
            text.push_str(&after[..digits]);
            text.push(']');
        }
        rest = &after[digits..];
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_names() {
        let check = |name, expected: Option<usize>| {
            let names = ["a.tab", "b.tab", "b.big_tab", "h.x[2].f"];
            let found = find(names.into_iter(), name, "thing").ok();
            assert_eq!(found, expected, "{name}");
        };
        check("a.tab", Some(0));
        check("tab", None);
        check("big_tab", Some(2));
        check("ig_tab", Some(2));
        check("x$2.f", Some(3));
        check("z", None);
    }
}
