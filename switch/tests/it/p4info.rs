// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The P4Info that controllers get: the message is what the front end writes as text.

use p4rt::proto::p4::config::v1::{
    Expression, ExpressionList, KeyValuePair, KeyValuePairList, PlatformProperties,
    StructuredAnnotation, action_profile::SelectorSizeSemantics, action_profile::SumOfMembers,
    expression::Value, structured_annotation::Body,
};
use switch::offline::Offline;

const ANNOTATIONS: &str = include_str!("../../../p4/testdata/programs/annotations.p4");

#[test]
fn annotations_and_limits_are_in_the_message() {
    let source = p4::Source {
        name: "annotations.p4",
        text: ANNOTATIONS,
        ..p4::Source::default()
    };
    let program = Offline::load(&source).expect("the program is right");
    let info = program.p4info();
    let table = info.tables[0].preamble.as_ref().expect("each has one");
    assert_eq!(table.structured_annotations[0].name, "empty");
    assert_eq!(table.structured_annotations[0].body, None);
    let text = |text: &str| Expression {
        value: Some(Value::StringValue(text.into())),
    };
    let pair = KeyValuePair {
        key: "name".into(),
        value: Some(text("IPv4")),
    };
    assert_eq!(
        info.tables[0].match_fields[0].structured_annotations,
        [StructuredAnnotation {
            name: "format".into(),
            source_location: None,
            body: Some(Body::KvPairList(KeyValuePairList {
                kv_pairs: vec![pair]
            })),
        }]
    );
    let named = |name: &str| {
        let mut profiles = info.action_profiles.iter();
        let found = profiles.find(|one| one.preamble.as_ref().is_some_and(|one| one.name == name));
        found.expect("the program has it")
    };
    let profile = named("members");
    let owner = profile.preamble.as_ref().expect("likewise");
    let expressions = vec![text("spread")];
    assert_eq!(
        owner.structured_annotations[0].body,
        Some(Body::ExpressionList(ExpressionList { expressions }))
    );
    assert_eq!(
        profile.selector_size_semantics,
        Some(SelectorSizeSemantics::SumOfMembers(SumOfMembers {
            max_member_weight: 100
        }))
    );
    let package = info.pkg_info.as_ref().expect("each has one");
    assert_eq!(
        package.platform_properties,
        Some(PlatformProperties {
            multicast_group_table_size: 100,
            multicast_group_table_total_replicas: 0,
            multicast_group_table_max_replicas_per_entry: 16,
        })
    );
}
