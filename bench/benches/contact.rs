// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Routes on generated plans of 10^3 to 10^6 contacts: first route, best route, the first ten, and
//! the routes to all nodes at once.
//!
//! Each iteration asks another question: two nodes and a time in the first half of the plan. How
//! the times of single questions spread is shown by `make routing`.

use std::hint::black_box;

use contact::generate::{Scenario, generate};
use contact::{ContactGraph, GraphOptions, NodeNumber, Query, Search, Span, UtcTime};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

criterion_group!(benches, routes);
criterion_main!(benches);

const START: UtcTime = UtcTime::from_seconds(1_800_000_000);

/// Stations, satellites, relays, landers and hours.
const SIZES: [(u32, u32, u32, u32, u32); 5] = [
    (8, 16, 4, 4, 12),
    (12, 25, 6, 6, 24),
    (32, 64, 10, 10, 36),
    (50, 100, 12, 12, 72),
    (100, 225, 16, 16, 96),
];

type Question = (Query<'static>, NodeNumber);

fn routes(criterion: &mut Criterion) {
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
        let graph = ContactGraph::new(&plan, &GraphOptions::default());
        let questions = questions(&graph, u64::from(hours) * 1800);
        let mut search = Search::new();
        let mut bench = |name: &str, ask: &mut dyn FnMut(&mut Search, &Question) -> bool| {
            let mut group = criterion.benchmark_group("routes");
            group.sample_size(20);
            let id = BenchmarkId::new(name, graph.contacts().len());
            let mut next = questions.iter().cycle();
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let question = next.next().expect("a cycle does not end");
                    black_box(ask(&mut search, question))
                });
            });
            group.finish();
        };
        bench("first", &mut |search, (query, to)| {
            search.route(&graph, query, *to).is_some()
        });
        bench("best", &mut |search, (query, to)| {
            search.best_route(&graph, query, *to).is_some()
        });
        bench("ten", &mut |search, (query, to)| {
            search.routes(&graph, query, *to, 10).len() == 10
        });
        bench("all", &mut |search, (query, to)| {
            search.tree(&graph, query).arrival(*to).is_some()
        });
    }
}

/// The same questions in each run, and no two alike.
fn questions(graph: &ContactGraph, seconds: u64) -> Vec<Question> {
    let nodes = graph.nodes();
    let mixed = (1_u64..=1000).map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 17);
    let pick = |mixed: u64| nodes[usize::try_from(mixed).unwrap_or(0) % nodes.len()];
    let questions = mixed.map(|mixed| {
        let span = Span::from_seconds(mixed % seconds);
        let at = START.checked_add(span).unwrap_or(START);
        (Query::new(pick(mixed / 7), at), pick(mixed / 7919))
    });
    questions.filter(|(query, to)| query.from != *to).collect()
}
