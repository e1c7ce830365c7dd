// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Generated programs. What they do with packets is tested where there is a switch, in `testbed`.

use p4gen::{
    EID_OCTETS, LARGEST_PAYLOAD, MOST_BLOCKS, ParameterError, Parameters, Report, UdpPorts,
    generate,
};

fn parameters(max_payload: u32) -> Parameters {
    Parameters {
        max_payload,
        ..Parameters::default()
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

/// Each bit of the longest payload's length adds one header and two or three parser states, up to
/// rows of 256 octets, which are read in a loop.
#[test]
fn size_grows_with_the_logarithm_of_the_payload() {
    let smallest = report(1);
    let mut states = smallest.parser_states;
    for max_payload in [13, 255, 256, 1400, 9000, LARGEST_PAYLOAD] {
        let bits = max_payload.ilog2() as usize + 1;
        let found = report(max_payload);
        assert_eq!(
            found.headers,
            smallest.headers + bits.min(8) - 1 + max_payload as usize / 256,
            "--max-payload {max_payload}"
        );
        assert!(found.parser_states >= states, "--max-payload {max_payload}");
        assert!(
            found.parser_states <= smallest.parser_states + 4 * bits,
            "--max-payload {max_payload}"
        );
        states = found.parser_states;
        assert_eq!(found.metadata_bits, smallest.metadata_bits);
    }
}

/// Blocks and names are read in loops: their number is one of the metadata, and not of the states.
#[test]
fn blocks_and_names_cost_no_states() {
    let of = |max_blocks, max_eid| {
        let parameters = Parameters {
            max_blocks,
            max_eid,
            ..Parameters::default()
        };
        let text = generate(parameters).expect("the parameters are possible");
        let source = p4::Source {
            name: "translator.p4",
            text: &text,
            ..p4::Source::default()
        };
        let program = p4::compile(&source).expect("the front end accepts it");
        let report = Report::new(parameters, &text, &program);
        (report.parser_states, report.metadata_bits)
    };
    let (least, most) = (
        of(1, *EID_OCTETS.start()),
        of(MOST_BLOCKS, *EID_OCTETS.end()),
    );
    assert_eq!(least.0, most.0);
    assert!(least.1 < most.1);
}

#[test]
fn refuses_impossible_parameters() {
    let too_long = LARGEST_PAYLOAD + 1;
    assert_eq!(
        generate(parameters(too_long)),
        Err(ParameterError::PayloadTooLong(too_long))
    );
    for (parameters, error) in [
        (
            Parameters {
                max_blocks: 0,
                ..parameters(13)
            },
            ParameterError::TooManyBlocks(0),
        ),
        (
            Parameters {
                max_eid: 73,
                ..parameters(13)
            },
            ParameterError::EidOctets(73),
        ),
    ] {
        assert_eq!(generate(parameters), Err(error));
    }
    for (ports, error) in [
        (&[0][..], ParameterError::PortZero),
        (&[4556, 4557, 4556], ParameterError::PortTwice(4556)),
        (&[], ParameterError::TooManyPorts(0)),
        (
            &[1, 2, 3, 4, 5, 6, 7, 8, 9],
            ParameterError::TooManyPorts(9),
        ),
    ] {
        assert_eq!(UdpPorts::new(ports), Err(error));
    }
}
