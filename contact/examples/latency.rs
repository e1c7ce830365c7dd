// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long searches take on generated plans: median, 99th percentile and longest, as a table.
//!
//! `cargo run --release -p contact --example latency [QUERIES]`

use std::env;
use std::time::{Duration, Instant};

use contact::generate::{Scenario, generate};
use contact::{ContactGraph, GraphOptions, NodeNumber, Query, Search, Span, UtcTime};

/// Stations, satellites, relays, landers and hours, for 10^3 to 10^6 contacts.
const SIZES: [(u32, u32, u32, u32, u32); 6] = [
    (8, 16, 4, 4, 12),
    (12, 25, 6, 6, 18),
    (24, 49, 8, 8, 20),
    (32, 64, 10, 10, 36),
    (50, 100, 12, 12, 72),
    (80, 196, 16, 16, 96),
];

/// How often each question is asked. The fastest run counts, because in the others something else
/// ran on the processor, or its caches held something else.
const RUNS: usize = 3;

const START: UtcTime = UtcTime::from_seconds(1_800_000_000);

fn main() {
    let queries = env::args()
        .nth(1)
        .and_then(|arg| arg.parse().ok())
        .unwrap_or(2000);
    println!("| search | nodes | contacts | found | median us | p99 us | longest us |");
    println!("| --- | --: | --: | --: | --: | --: | --: |");
    for (stations, satellites, relays, landers, hours) in SIZES {
        let plan = generate(&Scenario {
            seed: 1,
            stations,
            satellites,
            relays,
            landers,
            start: START,
            seconds: hours * 3600,
        });
        let began = Instant::now();
        let graph = ContactGraph::new(&plan, &GraphOptions::default());
        let built = began.elapsed();
        let mut search = Search::new();
        let questions = questions(&graph, u64::from(hours) * 1800, queries);
        measure("first", &graph, &questions, |query, to| {
            search.route(&graph, query, to).is_some()
        });
        measure("best", &graph, &questions, |query, to| {
            search.best_route(&graph, query, to).is_some()
        });
        measure(
            "first 10",
            &graph,
            &questions[..questions.len() / 10],
            |query, to| !search.routes(&graph, query, to, 10).is_empty(),
        );
        measure(
            "all destinations",
            &graph,
            &questions[..questions.len() / 4],
            |query, _| search.tree(&graph, query).reached().next().is_some(),
        );
        eprintln!(
            "graph of {} contacts built in {built:?}",
            graph.contacts().len()
        );
    }
}

/// Pairs of nodes and times in the first half of the plan, all over the place.
fn questions(
    graph: &ContactGraph,
    seconds: u64,
    count: usize,
) -> Vec<(Query<'static>, NodeNumber)> {
    let nodes = graph.nodes();
    let places = 0_u64..;
    let mixed = places.map(|number| (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 17);
    let pick = |mixed: u64, by: u64| usize::try_from(mixed / by).unwrap_or(0) % nodes.len();
    let questions = mixed.map(|mixed| {
        let at = START
            .checked_add(Span::from_seconds(mixed % seconds))
            .unwrap_or(START);
        (
            Query::new(nodes[pick(mixed, 7)], at),
            nodes[pick(mixed, 7919)],
        )
    });
    questions
        .filter(|(query, to)| query.from != *to)
        .take(count)
        .collect()
}

fn measure(
    name: &str,
    graph: &ContactGraph,
    questions: &[(Query<'static>, NodeNumber)],
    mut ask: impl FnMut(&Query<'_>, NodeNumber) -> bool,
) {
    let mut found = 0;
    let mut times: Vec<Duration> = Vec::with_capacity(questions.len());
    for (query, to) in questions {
        let mut fastest = Duration::MAX;
        let mut is_found = false;
        for _ in 0..RUNS {
            let began = Instant::now();
            is_found = ask(query, *to);
            fastest = fastest.min(began.elapsed());
        }
        times.push(fastest);
        found += usize::from(is_found);
    }
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let (nodes, contacts) = (graph.nodes().len(), graph.contacts().len());
    println!(
        "| {name} | {nodes} | {contacts} | {found}/{} | {:.1} | {:.1} | {:.1} |",
        times.len(),
        micros(times[times.len() / 2]),
        micros(times[times.len() * 99 / 100]),
        micros(times[times.len() - 1]),
    );
}
