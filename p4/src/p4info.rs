// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a controller has to know about a program: names and ids of what it can read and write.
//!
//! The structs follow `p4.config.v1.P4Info` of the
//! [P4Runtime specification §6](https://p4lang.github.io/p4runtime/spec/main/P4Runtime-Spec.html#sec-p4info-message),
//! without a dependency on protobuf. [`P4Info::to_text`] writes protobuf's text format as p4c lays it out.

mod text;

use std::collections::BTreeMap;

use crate::ir::{ActionScope, CounterUnit, MatchKind, MeterUnit};

/// The control-plane interface of a program.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct P4Info {
    /// The program as a whole.
    pub pkg_info: PkgInfo,
    /// Tables.
    pub tables: Vec<Table>,
    /// Actions of the tables.
    pub actions: Vec<Action>,
    /// Action profiles and selectors.
    pub action_profiles: Vec<ActionProfile>,
    /// Indirect counters.
    pub counters: Vec<Counter>,
    /// Direct counters.
    pub direct_counters: Vec<DirectCounter>,
    /// Indirect meters.
    pub meters: Vec<Meter>,
    /// Direct meters.
    pub direct_meters: Vec<DirectMeter>,
    /// Headers of packets from and to the controller.
    pub controller_packet_metadata: Vec<ControllerPacketMetadata>,
    /// Value sets of parsers.
    pub value_sets: Vec<ValueSet>,
    /// Registers.
    pub registers: Vec<Register>,
    /// Digest messages.
    pub digests: Vec<Digest>,
    /// Types that the others name.
    pub type_info: Option<TypeInfo>,
}

/// The program as a whole.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PkgInfo {
    /// Architecture: `v1model`.
    pub arch: String,
    /// Name, from `@pkginfo`.
    pub name: String,
    /// Version, from `@pkginfo`.
    pub version: String,
    /// Organization, from `@pkginfo`.
    pub organization: String,
    /// Contact, from `@pkginfo`.
    pub contact: String,
    /// Address on the web, from `@pkginfo`.
    pub url: String,
    /// Other annotations.
    pub annotations: Annotations,
    /// From `@brief` and `@description`.
    pub doc: Option<Documentation>,
    /// From `@platform_property`.
    pub platform_properties: Option<PlatformProperties>,
}

/// What the program asks of the target, from `@platform_property`; 0 is what it does not say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PlatformProperties {
    /// Number of multicast groups.
    pub multicast_group_table_size: i32,
    /// Replicas in all groups together.
    pub multicast_group_table_total_replicas: i32,
    /// Replicas in one group.
    pub multicast_group_table_max_replicas_per_entry: i32,
}

/// Annotations of an object that have no other place in P4Info.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Annotations {
    /// Those without structure, as they are written.
    pub texts: Vec<String>,
    /// Those with square brackets.
    pub structured: Vec<StructuredAnnotation>,
}

/// `@name[...]`
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StructuredAnnotation {
    /// Its name.
    pub name: String,
    /// What is between the brackets.
    pub body: AnnotationBody,
}

/// What is between the brackets of a structured annotation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AnnotationBody {
    /// `[a, b]`, or nothing.
    Expressions(Vec<AnnotationValue>),
    /// `[x = a, y = b]`
    Pairs(Vec<(String, AnnotationValue)>),
}

/// A value in a structured annotation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AnnotationValue {
    /// A string.
    Text(String),
    /// An integer.
    Int(i64),
    /// A bool.
    Bool(bool),
}

/// From `@brief` and `@description`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Documentation {
    /// One line.
    pub brief: String,
    /// More.
    pub description: String,
}

/// What all objects have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Preamble {
    /// Id; its first octet tells the kind of object.
    pub id: u32,
    /// Fully qualified name.
    pub name: String,
    /// Shortest suffix of the name that is unique.
    pub alias: String,
    /// Annotations.
    pub annotations: Annotations,
    /// From `@brief` and `@description`.
    pub doc: Option<Documentation>,
}

/// A table.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Table {
    /// Id and names.
    pub preamble: Preamble,
    /// Keys, without those of an action selector.
    pub match_fields: Vec<MatchField>,
    /// Actions.
    pub action_refs: Vec<ActionRef>,
    /// The default action, if it cannot be changed; else 0.
    pub const_default_action_id: u32,
    /// The default action at the start.
    pub initial_default_action: ActionCall,
    /// Action profile; 0 without one.
    pub implementation_id: u32,
    /// Direct counter and meter.
    pub direct_resource_ids: Vec<u32>,
    /// Guaranteed number of entries.
    pub size: u64,
    /// Whether the switch reports entries that are not used for a time.
    pub idle_timeout: bool,
    /// Whether the entries cannot be changed.
    pub is_const_table: bool,
    /// Whether the program gives entries.
    pub has_initial_entries: bool,
}

/// An action with arguments.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ActionCall {
    /// The action.
    pub action_id: u32,
    /// Parameter ids with values, big-endian.
    pub arguments: Vec<(u32, Vec<u8>)>,
}

/// A key of a table, or a field of a value set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MatchField {
    /// Number in its table.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Annotations.
    pub annotations: Annotations,
    /// From `@brief` and `@description`.
    pub doc: Option<Documentation>,
    /// Width in bits.
    pub bitwidth: u32,
    /// How it is matched.
    pub match_type: MatchKind,
    /// Name of a user-defined type.
    pub type_name: Option<String>,
}

/// An action in a table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ActionRef {
    /// The action.
    pub id: u32,
    /// Where it may be used.
    pub scope: ActionScope,
    /// Annotations.
    pub annotations: Annotations,
}

/// An action.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Action {
    /// Id and names.
    pub preamble: Preamble,
    /// Parameters.
    pub params: Vec<Param>,
}

/// A parameter of an action, or a field of a packet-in or packet-out header.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Param {
    /// Number in its action or header.
    pub id: u32,
    /// Name.
    pub name: String,
    /// Annotations.
    pub annotations: Annotations,
    /// From `@brief` and `@description`.
    pub doc: Option<Documentation>,
    /// Width in bits; 0 for an enum without a width.
    pub bitwidth: u32,
    /// Name of a user-defined type.
    pub type_name: Option<String>,
}

/// An action profile or selector.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ActionProfile {
    /// Id and names.
    pub preamble: Preamble,
    /// Tables that use it.
    pub table_ids: Vec<u32>,
    /// Whether there are groups.
    pub with_selector: bool,
    /// Number of members.
    pub size: u64,
    /// Largest group, from `@max_group_size`; 0 without one.
    pub max_group_size: u32,
    /// What the sizes count, from `@selector_size_semantics`.
    pub selector_size: Option<SelectorSize>,
}

/// What the sizes of an action selector count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SelectorSize {
    /// The weights of members.
    SumOfWeights,
    /// Members, whatever their weights are.
    SumOfMembers {
        /// Largest weight of a member, from `@max_member_weight`; 0 without one.
        max_member_weight: u32,
    },
}

/// An indirect counter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counter {
    /// Id and names.
    pub preamble: Preamble,
    /// What it counts.
    pub unit: CounterUnit,
    /// Number of cells.
    pub size: u64,
    /// Name of a user-defined type of the index.
    pub index_type_name: Option<String>,
}

/// A direct counter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirectCounter {
    /// Id and names.
    pub preamble: Preamble,
    /// What it counts.
    pub unit: CounterUnit,
    /// Its table.
    pub direct_table_id: u32,
}

/// An indirect meter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Meter {
    /// Id and names.
    pub preamble: Preamble,
    /// What it measures.
    pub unit: MeterUnit,
    /// Number of cells.
    pub size: u64,
    /// Name of a user-defined type of the index.
    pub index_type_name: Option<String>,
}

/// A direct meter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirectMeter {
    /// Id and names.
    pub preamble: Preamble,
    /// What it measures.
    pub unit: MeterUnit,
    /// Its table.
    pub direct_table_id: u32,
}

/// Header of packets from or to the controller.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ControllerPacketMetadata {
    /// Id and names: `packet_in` or `packet_out`.
    pub preamble: Preamble,
    /// Fields.
    pub metadata: Vec<Param>,
}

/// A value set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ValueSet {
    /// Id and names.
    pub preamble: Preamble,
    /// Fields.
    pub matches: Vec<MatchField>,
    /// Capacity.
    pub size: u64,
}

/// A register.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Register {
    /// Id and names.
    pub preamble: Preamble,
    /// Type of a cell.
    pub type_spec: TypeSpec,
    /// Number of cells.
    pub size: u64,
    /// Name of a user-defined type of the index.
    pub index_type_name: Option<String>,
}

/// A digest message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Digest {
    /// Id and names.
    pub preamble: Preamble,
    /// Type of the message.
    pub type_spec: TypeSpec,
}

/// Types that others name.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TypeInfo {
    /// Structs: members.
    pub structs: BTreeMap<String, Vec<(String, TypeSpec)>>,
    /// Headers: members.
    pub headers: BTreeMap<String, Vec<(String, Bitstring)>>,
    /// Enums: members.
    pub enums: BTreeMap<String, Vec<String>>,
    /// Error values, if `error` is used.
    pub errors: Vec<String>,
    /// Enums with an underlying type.
    pub serializable_enums: BTreeMap<String, SerializableEnum>,
    /// `type` declarations, with their annotations.
    pub new_types: BTreeMap<String, (NewType, Annotations)>,
}

/// An enum with an underlying type.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SerializableEnum {
    /// Width of the underlying type in bits.
    pub bitwidth: u32,
    /// Members with their values, big-endian.
    pub members: Vec<(String, Vec<u8>)>,
}

/// A `type` declaration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NewType {
    /// Values are those of the other type.
    Original(TypeSpec),
    /// `@p4runtime_translation`: URI, and width of the controller's values; none for a string.
    Translated(String, Option<u32>),
}

/// A string of bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bitstring {
    /// `bit<W>`
    Bit(u32),
    /// `int<W>`
    Int(u32),
    /// `varbit<W>`
    Varbit(u32),
}

/// A type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TypeSpec {
    /// A string of bits.
    Bitstring(Bitstring),
    /// `bool`
    Bool,
    /// A tuple.
    Tuple(Vec<TypeSpec>),
    /// A struct of that name.
    Struct(String),
    /// A header of that name.
    Header(String),
    /// A stack of headers of that name and that many elements.
    HeaderStack(String, u32),
    /// An enum of that name.
    Enum(String),
    /// `error`
    Error,
    /// An enum with an underlying type of that name.
    SerializableEnum(String),
    /// A `type` of that name.
    NewType(String),
}
