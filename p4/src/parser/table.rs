// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tables.

use std::rc::Rc;

use crate::{
    ast::{ActionRef, Annotations, Decl, DeclKind, Entries, Entry, Key, Property, Table},
    number,
    source::Span,
};

use super::{Parsed, Parser};

impl Parser<'_> {
    /// `table name { properties }`
    pub(super) fn table_decl(&mut self, start: Span, annotations: Annotations) -> Parsed<Decl> {
        self.bump();
        let name = self.name()?;
        self.expect("{")?;
        let mut table = Table {
            keys: Vec::new(),
            actions: Vec::new(),
            has_actions: false,
            entries: None,
            default_action: None,
            properties: Vec::new(),
        };
        let mut seen = Vec::new();
        while !self.eat("}") {
            self.property(&mut table, &mut seen)?;
        }
        self.declare(&name, false);
        let id = self.new_decl();
        Ok(Decl {
            id,
            annotations,
            name,
            span: self.since(start),
            kind: DeclKind::Table(table),
        })
    }

    fn property(&mut self, table: &mut Table, seen: &mut Vec<Rc<str>>) -> Parsed<()> {
        let annotations = self.annotations()?;
        let is_const = self.eat("const");
        let name = self.name()?;
        if seen.contains(&name.text) {
            let message = format!("property `{}` is given twice", name.text);
            self.error(name.span, message);
        }
        if &*name.text == "key" && seen.iter().any(|other| &**other == "entries") {
            self.error(name.span, "the key of a table comes before its entries");
        }
        if &*name.text == "actions" && seen.iter().any(|other| &**other == "default_action") {
            self.error(
                name.span,
                "the actions of a table come before its default action",
            );
        }
        seen.push(name.text.clone());
        self.expect("=")?;
        match &*name.text {
            "key" => {
                self.expect("{")?;
                while !self.eat("}") {
                    let value = self.expr()?;
                    self.expect(":")?;
                    let match_kind = self.name()?;
                    let annotations = self.annotations()?;
                    self.expect(";")?;
                    table.keys.push(Key {
                        annotations,
                        value,
                        match_kind,
                    });
                }
                self.eat(";");
            }
            "actions" => {
                table.has_actions = true;
                self.expect("{")?;
                while !self.eat("}") {
                    let annotations = self.annotations()?;
                    let value = self.primary()?;
                    self.expect(";")?;
                    table.actions.push(ActionRef { annotations, value });
                }
                self.eat(";");
            }
            "entries" => {
                self.expect("{")?;
                let mut list = Vec::new();
                while !self.eat("}") {
                    list.push(self.entry()?);
                }
                self.eat(";");
                table.entries = Some(Entries { is_const, list });
            }
            "default_action" => {
                let value = self.primary()?;
                self.expect(";")?;
                table.default_action = Some((is_const, value));
            }
            _ => {
                let value = self.expr()?;
                self.expect(";")?;
                table.properties.push(Property {
                    annotations,
                    name,
                    value,
                });
            }
        }
        Ok(())
    }

    fn entry(&mut self) -> Parsed<Entry> {
        let start = self.span();
        let is_const = self.eat("const");
        let mut priority = None;
        if self.is("priority") && self.ahead(1).is("=") {
            self.bump();
            self.bump();
            priority = Some(self.primary()?);
            self.expect(":")?;
        }
        let keys = self.tuple_keyset()?;
        self.expect(":")?;
        let action = self.primary()?;
        let annotations = self.annotations()?;
        let mut small_wins = None;
        if let Some(one) = annotations.iter().find(|one| &*one.name.text == "priority")
            && let [number] = &one.body[..]
        {
            small_wins = number::parse(&number.text)
                .ok()
                .map(|literal| literal.value);
        }
        self.expect(";")?;
        Ok(Entry {
            is_const,
            priority,
            small_wins,
            keys,
            action,
            span: self.since(start),
        })
    }
}
