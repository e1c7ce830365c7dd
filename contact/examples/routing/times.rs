// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long searches take: median, 99th percentile and longest, as a table.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

use contact::generate::{Scenario, generate};
use contact::{ContactGraph, GraphOptions, NodeNumber, Plan, Query, Search, Span, UtcTime};

use crate::START;
use crate::random::Random;

/// Stations, satellites, relays, landers and hours, for 10^3 to 10^6 contacts.
const SIZES: [(u32, u32, u32, u32, u32); 6] = [
    (8, 16, 4, 4, 12),
    (12, 25, 6, 6, 24),
    (24, 49, 8, 8, 24),
    (32, 64, 10, 10, 37),
    (50, 100, 12, 12, 57),
    (90, 225, 16, 16, 120),
];

/// How often each question is asked. The fastest run counts, because in the others something else
/// ran on the processor, or its caches held something else.
const RUNS: usize = 3;

pub(crate) type Question = (Query<'static>, NodeNumber);

/// Measures plans of all sizes.
pub(crate) fn of_generated_plans(queries: usize) {
    head();
    for size in SIZES {
        let (plan, seconds) = plan(size);
        table(&plan, &graph(&plan), START, seconds / 2, queries);
    }
}

/// Measures one plan.
pub(crate) fn of_plan(plan: &Plan, name: &str) {
    if plan.contacts().next().is_none() {
        eprintln!("{name}: no contacts");
        return;
    }
    let (start, seconds) = first_half(plan);
    let graph = ContactGraph::new(plan, &without_ranges());
    head();
    table(plan, &graph, start, seconds, 2000);
}

/// When a plan begins, and half of its length in seconds.
pub(crate) fn first_half(plan: &Plan) -> (UtcTime, u64) {
    let starts = plan.contacts().map(|contact| contact.start);
    let ends = plan.contacts().map(|contact| contact.end);
    let start = starts.min().unwrap_or(START);
    let length = ends.max().unwrap_or(start).since(start);
    (start, (length.whole_seconds() / 2).max(1))
}

/// Some plans of others have no ranges.
fn without_ranges() -> GraphOptions {
    GraphOptions {
        default_light_time: Some(Span::ZERO),
        ..GraphOptions::default()
    }
}

/// Writes plans, questions and answers, one a line, with times in seconds after the start.
pub(crate) fn write_lines(folder: &Path, queries: usize) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for size in SIZES {
        let (plan, seconds) = plan(size);
        let graph = graph(&plan);
        let mut text = String::new();
        let since = |time: UtcTime| time.since(START);
        for contact in graph.contacts() {
            let light = plan.light_time(contact.from, contact.to, contact.start);
            let (start, end) = (since(contact.start), since(contact.end));
            let (from, to, rate) = (contact.from, contact.to, contact.rate.0);
            let light = light.unwrap_or_default();
            let _ = writeln!(text, "contact {from} {to} {start} {end} {rate} {light}");
        }
        let mut search = Search::new();
        for (query, to) in questions(&graph, START, seconds / 2, queries) {
            let (from, at) = (query.from, since(query.at));
            if let Some(route) = search.route(&graph, &query, to) {
                let (arrival, hops) = (since(route.arrival), route.hops.len());
                let _ = writeln!(text, "question {from} {to} {at} {arrival} {hops}");
            } else {
                let _ = writeln!(text, "question {from} {to} {at} -1 0");
            }
        }
        fs::write(folder.join(format!("{}.txt", graph.contacts().len())), text)?;
    }
    Ok(())
}

fn plan((stations, satellites, relays, landers, hours): (u32, u32, u32, u32, u32)) -> (Plan, u64) {
    let plan = generate(&Scenario {
        seed: 1,
        stations,
        satellites,
        relays,
        landers,
        start: START,
        seconds: hours * 3600,
    });
    (plan, u64::from(hours) * 3600)
}

fn graph(plan: &Plan) -> ContactGraph {
    ContactGraph::new(plan, &GraphOptions::default())
}

/// Pairs of nodes and times in the first half of the plan, all over the place.
pub(crate) fn questions(
    graph: &ContactGraph,
    start: UtcTime,
    seconds: u64,
    count: usize,
) -> Vec<Question> {
    let nodes = graph.nodes();
    let mut random = Random(7);
    let mut questions = Vec::with_capacity(count);
    while questions.len() < count && nodes.len() > 1 {
        let span = Span::from_seconds(random.below(seconds));
        let at = start.checked_add(span).unwrap_or(start);
        let (from, to) = (random.pick(nodes), random.pick(nodes));
        if from != to {
            questions.push((Query::new(from, at), to));
        }
    }
    questions
}

fn head() {
    println!(
        "| search | nodes | contacts | found | median us | p99 us | longest us | p99 / median |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: | --: |");
}

/// Measures all searches of a graph.
fn table(plan: &Plan, graph: &ContactGraph, start: UtcTime, seconds: u64, queries: usize) {
    let began = Instant::now();
    let built = ContactGraph::new(plan, &GraphOptions::default());
    let took = began.elapsed();
    drop(built);
    let mut search = Search::new();
    let questions = questions(graph, start, seconds, queries);
    let some = |part: usize| &questions[..questions.len().div_ceil(part)];
    measure("first route", graph, &questions, |query, to| {
        search.route(graph, query, to).is_some()
    });
    measure("best route", graph, &questions, |query, to| {
        search.best_route(graph, query, to).is_some()
    });
    measure("first 10 routes", graph, some(10), |query, to| {
        !search.routes(graph, query, to, 10).is_empty()
    });
    measure("all destinations", graph, some(4), |query, to| {
        search.tree(graph, query).arrival(to).is_some()
    });
    let size = graph.size_bytes();
    let contacts = graph.contacts().len();
    eprintln!("graph of {contacts} contacts: built in {took:?}, {size} octets");
}

fn measure(
    name: &str,
    graph: &ContactGraph,
    questions: &[Question],
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
    let micros = |place: usize| times[place].as_secs_f64() * 1e6;
    let (nodes, contacts) = (graph.nodes().len(), graph.contacts().len());
    let asked = times.len();
    let (median, late) = (micros(asked / 2), micros(asked * 99 / 100));
    println!(
        "| {name} | {nodes} | {contacts} | {found}/{asked} | {median:.1} | {late:.1} | {:.1} | {:.1} |",
        micros(asked - 1),
        late / median,
    );
}
