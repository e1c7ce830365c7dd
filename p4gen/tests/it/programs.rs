// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generated programs. What they do with packets is tested where there is a switch, in `testbed`.

use p4gen::{LARGEST_PAYLOAD, ParameterError, Parameters, Profile, Report, Target, generate};

fn parameters(max_payload: u32) -> Parameters {
    Parameters {
        target: Target::Bmv2,
        profile: Profile::A,
        max_payload,
        udp_port: 4556,
    }
}

fn report(max_payload: u32) -> Report {
    let text = generate(parameters(max_payload)).expect("the parameters are possible");
    let source = p4::Source {
        name: "translator.p4",
        text: &text,
        ..p4::Source::default()
    };
    match p4::compile_with_warnings(&source) {
        Ok((program, warnings)) => {
            assert_eq!(warnings.to_string(), "", "--max-payload {max_payload}");
            Report::new(parameters(max_payload), &text, &program)
        }
        Err(errors) => panic!("--max-payload {max_payload}: {errors}"),
    }
}

/// The whole text, so that a change of a template shows what it changes.
#[test]
fn program_for_13_octets() {
    insta::assert_snapshot!(generate(parameters(13)).expect("the parameters are possible"));
}

#[test]
fn equal_parameters_give_equal_text() {
    assert_eq!(generate(parameters(1400)), generate(parameters(1400)));
}

/// Each bit of the longest payload's length adds one header and two parser states.
#[test]
fn size_grows_with_the_logarithm_of_the_payload() {
    let smallest = report(1);
    for max_payload in [0, 13, 255, 256, 1400, 9000, LARGEST_PAYLOAD] {
        let more_bits = max_payload.max(1).ilog2() as usize;
        let found = report(max_payload);
        assert_eq!(
            found.headers,
            smallest.headers + more_bits,
            "--max-payload {max_payload}"
        );
        assert_eq!(
            found.parser_states,
            smallest.parser_states + 2 * more_bits,
            "--max-payload {max_payload}"
        );
        assert_eq!(found.metadata_bits, smallest.metadata_bits);
    }
}

#[test]
fn refuses_impossible_parameters() {
    let too_long = LARGEST_PAYLOAD + 1;
    assert_eq!(
        generate(parameters(too_long)),
        Err(ParameterError::PayloadTooLong(too_long))
    );
    let no_port = Parameters {
        udp_port: 0,
        ..parameters(13)
    };
    assert_eq!(generate(no_port), Err(ParameterError::PortZero));
}
