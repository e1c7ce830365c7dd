// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The text of a test: one command on each line.

use super::value::Value;

/// A test.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Script {
    /// Its commands in order.
    pub statements: Vec<Statement>,
}

/// A command and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Statement {
    /// Number of the line, from 1.
    pub line: usize,
    /// What to do.
    pub command: Command,
}

/// What a line asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Adds an entry to a table.
    Add {
        /// Name of the table, or its end.
        table: String,
        /// The greater wins; tables without priorities ignore it.
        priority: Option<u32>,
        /// Names of keys, or their ends, with what they match.
        matches: Vec<(String, Value)>,
        /// What the entry does.
        action: ActionText,
    },
    /// Sets the default action of a table.
    SetDefault {
        /// Name of the table, or its end.
        table: String,
        /// What the table does without a match.
        action: ActionText,
    },
    /// Removes all entries of all tables.
    RemoveAll,
    /// Lets time pass.
    Wait,
    /// A packet comes in.
    Packet {
        /// The port that it comes in on.
        port: u32,
        /// Its octets.
        data: Vec<u8>,
    },
    /// A packet must leave, behind those that were expected on the port before.
    Expect {
        /// The port that it leaves on.
        port: u32,
        /// What it looks like.
        packet: ExpectedPacket,
    },
    /// No packet leaves. Says nothing that the absence of `expect` does not say.
    NoPacket,
    /// Compares a counter.
    CheckCounter {
        /// Name of the counter, or its end.
        counter: String,
        /// Which cell; none for a name, which refers to an entry.
        index: Option<u64>,
        /// Of what, how, and with which number; none only demands that the cell exists.
        check: Option<(Unit, Relation, u64)>,
    },
    /// Sends clones of a session to a port.
    MirrorToPort(u32, u32),
    /// Sends clones of a session to a multicast group.
    MirrorToGroup(u32, u32),
    /// Removes a clone session.
    MirrorDelete(u32),
    /// Makes an empty multicast group.
    CreateGroup(u32),
    /// Makes a node: replication id and ports. Nodes are numbered from 0.
    CreateNode(u32, Vec<u32>),
    /// Changes the ports of a node.
    UpdateNode(u32, Vec<u32>),
    /// Puts a node into a group.
    Associate {
        /// The group.
        group: u32,
        /// The node.
        node: u32,
    },
    /// Sets a cell of a counter.
    WriteCounter {
        /// Name of the counter, or its end.
        counter: String,
        /// Which cell.
        index: u64,
        /// Packets.
        packets: u64,
        /// Octets.
        bytes: u64,
    },
    /// Sets a cell of a register.
    WriteRegister {
        /// Name of the register, or its end.
        register: String,
        /// Which cell.
        index: u64,
        /// The value.
        value: Value,
    },
    /// Sets all cells of a register to 0.
    ResetRegister(String),
    /// Sets the rates of one meter, or of all meters of an array.
    SetMeter {
        /// Name of the meter, or its end.
        meter: String,
        /// Which cell; none for all.
        index: Option<u64>,
        /// Committed and peak: units in a million microseconds, and burst.
        rates: [(u64, u64); 2],
    },
    /// Prints something that only people look at.
    Show,
}

/// An action as it is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActionText {
    /// Its name, or the end of it.
    pub name: String,
    /// Names of parameters and their values.
    pub args: Vec<(String, Value)>,
}

/// What an expected packet looks like.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ExpectedPacket {
    /// Hexadecimal digits; none for those that may be anything.
    pub digits: Vec<Option<u8>>,
    /// Whether nothing may follow.
    pub exact_length: bool,
}

impl ExpectedPacket {
    /// Whether a packet is as expected.
    #[must_use]
    pub fn matches(&self, packet: &[u8]) -> bool {
        let long_enough = self.digits.len() <= packet.len() * 2;
        let short_enough = !self.exact_length || packet.len() * 2 <= self.digits.len();
        let nibbles = packet.iter().flat_map(|octet| [octet >> 4, octet & 15]);
        let mut pairs = self.digits.iter().zip(nibbles);
        long_enough
            && short_enough
            && pairs.all(|(digit, nibble)| digit.is_none_or(|d| d == nibble))
    }
}

/// What a counter counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Packets.
    Packets,
    /// Octets.
    Bytes,
}

/// How a counter is compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "the names are those of the relations")]
pub enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    /// Whether two numbers are in this relation.
    #[must_use]
    pub fn holds(self, left: u64, right: u64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// A text that is no test.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct ScriptError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub fault: SyntaxFault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxFault {
    /// The first word is no command.
    #[error("unknown command {0:?}")]
    Command(String),
    /// Something else was expected.
    #[error("expected {wanted}, found {found:?}")]
    Expected {
        /// What.
        wanted: &'static str,
        /// The rest of the line.
        found: String,
    },
}

impl Script {
    /// Reads a test.
    ///
    /// # Errors
    ///
    /// At the first line that is not understood.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut statements = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let content = line.split('#').next().unwrap_or_default().trim();
            if content.is_empty() {
                continue;
            }
            let line = number + 1;
            let mut rest = Rest(content);
            let command = rest
                .command()
                .and_then(|command| rest.end().map(|()| command))
                .map_err(|fault| ScriptError { line, fault })?;
            statements.push(Statement { line, command });
        }
        Ok(Self { statements })
    }
}

/// What is left of a line.
struct Rest<'a>(&'a str);

type Parsed<T> = Result<T, SyntaxFault>;

impl<'a> Rest<'a> {
    fn command(&mut self) -> Parsed<Command> {
        let word = self.word(|c| !c.is_whitespace()).to_lowercase();
        Ok(match word.as_str() {
            "add" => self.add()?,
            "setdefault" => Command::SetDefault {
                table: self.name()?,
                action: self.action()?,
            },
            "remove" => {
                self.take_rest();
                Command::RemoveAll
            }
            "wait" => Command::Wait,
            "packet" => Command::Packet {
                port: self.number()?,
                data: self.octets()?,
            },
            "expect" => Command::Expect {
                port: self.number()?,
                packet: self.expected()?,
            },
            "no_packet" => Command::NoPacket,
            "check_counter" => self.check_counter()?,
            _ => self.switch_command(&word)?,
        })
    }

    /// Commands of BMv2's command line that tests may contain.
    fn switch_command(&mut self, word: &str) -> Parsed<Command> {
        Ok(match word {
            "mirroring_add" => Command::MirrorToPort(self.number()?, self.number()?),
            "mirroring_add_mc" => Command::MirrorToGroup(self.number()?, self.number()?),
            "mirroring_delete" => Command::MirrorDelete(self.number()?),
            "mc_mgrp_create" => Command::CreateGroup(self.number()?),
            "mc_node_create" => Command::CreateNode(self.number()?, self.numbers()?),
            "mc_node_update" => Command::UpdateNode(self.number()?, self.numbers()?),
            "mc_node_associate" => Command::Associate {
                group: self.number()?,
                node: self.number()?,
            },
            "counter_write" => Command::WriteCounter {
                counter: self.name()?,
                index: self.number()?,
                packets: self.number()?,
                bytes: self.number()?,
            },
            "register_write" => Command::WriteRegister {
                register: self.name()?,
                index: self.number()?,
                value: self.value()?,
            },
            "register_reset" => Command::ResetRegister(self.name()?),
            "meter_set_rates" => Command::SetMeter {
                meter: self.name()?,
                index: Some(self.number()?),
                rates: [self.rate()?, self.rate()?],
            },
            "meter_array_set_rates" => Command::SetMeter {
                meter: self.name()?,
                index: None,
                rates: [self.rate()?, self.rate()?],
            },
            "mirroring_get" | "counter_read" | "register_read" | "meter_get_rates" => {
                self.take_rest();
                Command::Show
            }
            other => return Err(SyntaxFault::Command(other.to_owned())),
        })
    }

    fn add(&mut self) -> Parsed<Command> {
        let table = self.name()?;
        let priority = self.priority();
        let mut matches = Vec::new();
        while !self.action_follows() {
            let name = self.name()?;
            self.expect(':', "a colon behind the name of a key")?;
            matches.push((name, self.value()?));
        }
        let action = self.action()?;
        if self.eat('=') {
            // A name for the entry, which only `check_counter` uses.
            self.name()?;
        }
        Ok(Command::Add {
            table,
            priority,
            matches,
            action,
        })
    }

    /// A number that is not the name of a key.
    fn priority(&mut self) -> Option<u32> {
        let word = self.0.split_whitespace().next()?;
        let priority = word.parse().ok()?;
        self.0 = self.0.trim_start()[word.len()..].trim_start();
        Some(priority)
    }

    fn action_follows(&self) -> bool {
        let end = self.0.find(|c| !is_name(c)).unwrap_or(self.0.len());
        self.0[end..].trim_start().starts_with('(') || self.0.is_empty()
    }

    fn action(&mut self) -> Parsed<ActionText> {
        let name = self.name()?;
        self.expect('(', "the arguments of an action")?;
        let mut args = Vec::new();
        while !self.eat(')') {
            let arg = self.name()?;
            self.expect(':', "a colon behind the name of a parameter")?;
            args.push((arg, self.value()?));
            if !self.eat(',') && !self.0.starts_with(')') {
                return Err(self.expected_but("a comma or a closing bracket"));
            }
        }
        Ok(ActionText { name, args })
    }

    fn check_counter(&mut self) -> Parsed<Command> {
        let counter = self.name()?;
        self.expect('(', "the index of a counter")?;
        let index = self.word(|c| c != ')').trim();
        let index = index.parse().ok();
        self.expect(')', "a closing bracket")?;
        let check = if self.0.is_empty() {
            None
        } else {
            let unit = match self.word(char::is_alphabetic).to_lowercase().as_str() {
                "packets" => Unit::Packets,
                "bytes" => Unit::Bytes,
                _ => return Err(self.expected_but("packets or bytes")),
            };
            Some((unit, self.relation()?, self.number()?))
        };
        Ok(Command::CheckCounter {
            counter,
            index,
            check,
        })
    }

    fn relation(&mut self) -> Parsed<Relation> {
        Ok(match self.word(|c| "=!<>".contains(c)) {
            "==" => Relation::Equal,
            "!=" => Relation::NotEqual,
            "<" => Relation::Less,
            "<=" => Relation::LessOrEqual,
            ">" => Relation::Greater,
            ">=" => Relation::GreaterOrEqual,
            _ => return Err(self.expected_but("a relation")),
        })
    }

    /// Hexadecimal digits in pairs.
    fn octets(&mut self) -> Parsed<Vec<u8>> {
        let fault = self.expected_but("pairs of hexadecimal digits");
        let rest = self.take_rest().chars();
        let digits = rest.filter(|c| !c.is_whitespace()).map(digit);
        let digits: Option<Vec<u8>> = digits.collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2));
        let digits = digits.ok_or(fault)?;
        Ok(digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect())
    }

    fn expected(&mut self) -> Parsed<ExpectedPacket> {
        let fault = self.expected_but("hexadecimal digits");
        let rest = self.take_rest();
        let text = rest.trim_end_matches('$');
        let exact_length = text.len() < rest.len();
        let mut digits = Vec::new();
        for c in text.chars().filter(|c| !c.is_whitespace()) {
            digits.push(match c {
                '*' => None,
                c => Some(digit(c).ok_or_else(|| fault.clone())?),
            });
        }
        Ok(ExpectedPacket {
            digits,
            exact_length,
        })
    }

    /// A rate in units for each microsecond, which may have a fraction, and a burst.
    fn rate(&mut self) -> Parsed<(u64, u64)> {
        let fault = self.expected_but("RATE:BURST");
        let text = self.word(|c| !c.is_whitespace());
        let (rate, burst) = text.split_once(':').ok_or_else(|| fault.clone())?;
        let (whole, fraction) = rate.split_once('.').unwrap_or((rate, ""));
        let millionths = format!("{whole}{fraction:0<6}");
        let (rate, burst) = (millionths[..whole.len() + 6].parse(), burst.parse());
        match (rate, burst) {
            (Ok(rate), Ok(burst)) => Ok((rate, burst)),
            _ => Err(fault),
        }
    }

    fn name(&mut self) -> Parsed<String> {
        if let Some(quoted) = self.0.strip_prefix('"')
            && let Some((name, rest)) = quoted.split_once('"')
        {
            self.0 = rest.trim_start();
            return Ok(name.to_owned());
        }
        let fault = self.expected_but("a name");
        match self.word(is_name) {
            "" => Err(fault),
            name => Ok(name.to_owned()),
        }
    }

    fn value(&mut self) -> Parsed<Value> {
        let fault = self.expected_but("a number");
        let text = self.word(|c| c.is_ascii_alphanumeric() || c == '*' || c == '/');
        text.parse().map_err(|_| fault)
    }

    fn number<T: std::str::FromStr>(&mut self) -> Parsed<T> {
        let fault = self.expected_but("a number");
        self.word(|c| c.is_ascii_digit()).parse().map_err(|_| fault)
    }

    fn numbers(&mut self) -> Parsed<Vec<u32>> {
        let mut numbers = Vec::new();
        while !self.0.is_empty() {
            numbers.push(self.number()?);
        }
        Ok(numbers)
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !belongs(c)).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        self.0 = rest.trim_start();
        word
    }

    fn take_rest(&mut self) -> &'a str {
        std::mem::take(&mut self.0)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.0.strip_prefix(wanted);
        if let Some(rest) = found {
            self.0 = rest.trim_start();
        }
        found.is_some()
    }

    fn expect(&mut self, wanted: char, name: &'static str) -> Parsed<()> {
        let fault = self.expected_but(name);
        self.eat(wanted).then_some(()).ok_or(fault)
    }

    fn end(&self) -> Parsed<()> {
        let fault = self.expected_but("the end of the line");
        self.0.is_empty().then_some(()).ok_or(fault)
    }

    fn expected_but(&self, wanted: &'static str) -> SyntaxFault {
        SyntaxFault::Expected {
            wanted,
            found: self.0.to_owned(),
        }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_$.[]".contains(c)
}

fn digit(c: char) -> Option<u8> {
    c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<Command, &str>) {
        let found = Script::parse(line).map(|script| script.statements[0].command.clone());
        let found = found.map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{line}");
    }

    fn value(text: &str) -> Value {
        text.parse().expect("a number")
    }

    #[test]
    fn entries() {
        let action = ActionText {
            name: "setb1".to_owned(),
            args: vec![
                ("val".to_owned(), value("0x7f")),
                ("port".to_owned(), value("2")),
            ],
        };
        let matches = vec![
            ("data.$valid".to_owned(), value("0b1")),
            ("x$0.f1".to_owned(), value("0x****0101")),
        ];
        let add = Command::Add {
            table: "test1".to_owned(),
            priority: Some(100),
            matches,
            action: action.clone(),
        };
        check(
            "ADD test1 100 data.$valid:0b1 x$0.f1:0x****0101 setb1(val:0x7f, port:2) = A",
            Ok(add),
        );
        let set = Command::SetDefault {
            table: "c.t".to_owned(),
            action,
        };
        check("setdefault c.t setb1(val:0x7f,port:2) # why", Ok(set));
        check(
            "add t k=1 a()",
            Err("line 1: expected a colon behind the name of a key, found \"=1 a()\""),
        );
        check("sub t", Err("line 1: unknown command \"sub\""));
    }

    #[test]
    fn packets() {
        let data = vec![0x0a, 0x0b, 0x12];
        check("packet 3 0a0 b 12", Ok(Command::Packet { port: 3, data }));
        check(
            "packet 3 0a0",
            Err("line 1: expected pairs of hexadecimal digits, found \"0a0\""),
        );
        let packet = ExpectedPacket {
            digits: vec![Some(1), None, Some(15), Some(2)],
            exact_length: true,
        };
        assert!(packet.matches(&[0x1c, 0xf2]));
        assert!(!packet.matches(&[0x1c, 0xf3]));
        assert!(!packet.matches(&[0x1c]));
        assert!(!packet.matches(&[0x1c, 0xf2, 0]));
        check("expect 12 1*F 2$", Ok(Command::Expect { port: 12, packet }));
    }

    #[test]
    fn replication_and_state() {
        let node = Command::CreateNode(400, vec![6, 7]);
        check("mc_node_create 400 6 7", Ok(node));
        let rates = [(6, 7), (1_500_000, 9)];
        let meter = Command::SetMeter {
            meter: "c.m".to_owned(),
            index: Some(2),
            rates,
        };
        check("meter_set_rates c.m 2 0.000006:7 1.5:9", Ok(meter));
        let counter = Command::CheckCounter {
            counter: "cnt".to_owned(),
            index: Some(10),
            check: Some((Unit::Packets, Relation::LessOrEqual, 2)),
        };
        check("check_counter cnt(10) packets <= 2", Ok(counter));
    }
}
