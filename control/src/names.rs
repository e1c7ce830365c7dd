// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How the generated program names its tables, actions, fields and digests.
//!
//! These names are a contract with the templates of p4gen, and stand nowhere else.

/// What the receiver of a datagram can read.
pub const PEER: &str = "ingress.peer";
/// Its field.
pub const PEER_KEY: &str = "hdr.ipv4.dst";
/// Version 6 as ION reads it.
pub const SPEAKS_V6: &str = "ingress.speaks_v6";
/// Version 7 as ION reads it.
pub const SPEAKS_V7: &str = "ingress.speaks_v7";
/// The datagram is for the switch itself, which routes bundles.
pub const ROUTES: &str = "ingress.routes";
/// Its parameters: the node ID.
pub const ROUTES_NODE: &str = "node";
/// The service of the node ID.
pub const ROUTES_SERVICE: &str = "service";
/// How much older bundles get, in milliseconds.
pub const ROUTES_RESIDENCE: &str = "residence";

/// Routes to `ipn` endpoints.
pub const ENDPOINT: &str = "ingress.endpoint";
/// Its field for the node.
pub const ENDPOINT_NODE: &str = "meta.primary.destination.node";
/// The bundle goes to a neighbour.
pub const TO_NEXT_HOP: &str = "ingress.to_next_hop";
/// The number of the neighbour in table [`NEXT_HOP`].
pub const TO_NEXT_HOP_NUMBER: &str = "next_hop";
/// The bundle is for the node itself.
pub const DELIVER: &str = "ingress.deliver";
/// The bundle waits.
pub const STORE: &str = "ingress.store";
/// Routes to `dtn` endpoints, by the beginning of the name.
pub const NAMED_ENDPOINT: &str = "ingress.named_endpoint";
/// Its field.
pub const NAMED_ENDPOINT_NAME: &str = "meta.destination_name";
/// The action of [`NAMED_ENDPOINT`] for [`TO_NEXT_HOP`].
pub const NAMED_TO_NEXT_HOP: &str = "ingress.named_to_next_hop";
/// The action of [`NAMED_ENDPOINT`] for [`DELIVER`].
pub const NAMED_DELIVER: &str = "ingress.named_deliver";
/// The action of [`NAMED_ENDPOINT`] for [`STORE`].
pub const NAMED_STORE: &str = "ingress.named_store";

/// Neighbours, and how datagrams reach them.
pub const NEXT_HOP: &str = "ingress.next_hop";
/// Its field.
pub const NEXT_HOP_NUMBER: &str = "meta.next_hop";
/// The neighbour reads version 6.
pub const HOP_V6: &str = "ingress.hop_v6";
/// The neighbour reads version 7.
pub const HOP_V7: &str = "ingress.hop_v7";

/// Where frames go by their Ethernet destination.
pub const L2_FORWARD: &str = "ingress.l2_forward";
/// Out of a port.
pub const FORWARD: &str = "ingress.forward";
/// Its parameter.
pub const FORWARD_PORT: &str = "port";
/// Out of all ports.
pub const FLOOD: &str = "ingress.flood";
/// Its parameter.
pub const FLOOD_GROUP: &str = "group";
/// Addresses that are known to be behind a port.
pub const L2_SOURCE: &str = "ingress.l2_source";
/// Nothing to do.
pub const NO_ACTION: &str = "NoAction";

/// A digest of an address that the switch does not know.
pub const LEARN: &str = "learn_t";
/// A digest of a bundle.
pub const BUNDLE_REPORT: &str = "bundle_report_t";
/// The member of digests for the port.
pub const INGRESS_PORT: &str = "ingress_port";
/// Members of a bundle report: the Ethernet address of who sent the datagram.
pub const NEIGHBOUR: &str = "neighbour";
/// The IP address, of version 4 as RFC 4291 2.5.5.2 maps it.
pub const NEIGHBOUR_IP: &str = "neighbour_ip";
/// The version of the bundle.
pub const BUNDLE_VERSION: &str = "version";
