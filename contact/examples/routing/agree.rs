// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Searches against exhaustive search. `contact/tests/it/routing.rs` does the same in each test run,
//! with fewer queries and other plans.

use contact::{ContactGraph, GraphOptions, NodeNumber, Plan, Query, Rank, Search};

use crate::oracle::allowed;
use crate::random::Random;
use crate::times;

/// Queries for each plan.
const PER_PLAN: usize = 20;
/// How many routes are compared.
const ROUTES: usize = 4;

/// What was compared, and how often it differed.
#[derive(Default)]
struct Tally {
    queries: usize,
    answered: usize,
    relayed: usize,
    first: usize,
    best: usize,
    several: usize,
    tree: usize,
}

/// Compares so many queries.
pub(crate) fn run(queries: usize, seed: u64) -> Result<(), String> {
    let mut random = Random(seed);
    let mut search = Search::new();
    let mut tally = Tally::default();
    while tally.queries < queries {
        let plan = random.plan();
        let graph = ContactGraph::new(&plan, &GraphOptions::default());
        let demand = random.demand(&graph);
        for number in 0..PER_PLAN.min(queries - tally.queries) {
            let (query, to) = random.query();
            if number % 2 == 0 {
                tally.compare(&plan, &graph, &mut search, &query, to);
            } else {
                let query = random.with(query, &demand);
                tally.compare(&plan, &graph, &mut search, &query, to);
            }
        }
    }
    tally.show()
}

/// Compares so many queries for each of these plans.
pub(crate) fn of_plans(plans: &[Plan], queries: usize) -> Result<(), String> {
    let mut search = Search::new();
    let mut tally = Tally::default();
    for plan in plans {
        let graph = ContactGraph::new(plan, &GraphOptions::default());
        let (start, seconds) = times::first_half(plan);
        for (query, to) in times::questions(&graph, start, seconds, queries) {
            tally.compare(plan, &graph, &mut search, &query, to);
        }
    }
    tally.show()
}

impl Tally {
    fn show(&self) -> Result<(), String> {
        let Self {
            queries,
            answered,
            relayed,
            first,
            best,
            several,
            tree,
        } = self;
        println!(
            "| queries | with a route | over other nodes | first route | best route | first {ROUTES} routes | tree |"
        );
        println!("| --: | --: | --: | --: | --: | --: | --: |");
        println!("| {queries} | {answered} | {relayed} | {first} | {best} | {several} | {tree} |");
        if first + best + several + tree > 0 {
            return Err("searches differ from exhaustive search".to_owned());
        }
        Ok(())
    }

    fn compare(
        &mut self,
        plan: &Plan,
        graph: &ContactGraph,
        search: &mut Search,
        query: &Query<'_>,
        to: NodeNumber,
    ) {
        let allowed = allowed(plan, graph, query, to);
        let expected = allowed.first().map(|route| route.rank);
        let two = |rank: Rank| (rank.arrival, rank.hops);
        let rank = |route: contact::Route| route.rank(graph);
        self.queries += 1;
        self.answered += usize::from(expected.is_some());
        self.relayed += usize::from(expected.is_some_and(|rank| rank.hops > 1));
        let first = search.route(graph, query, to).map(rank).map(two);
        self.first += usize::from(first != expected.map(two));
        let best = search.best_route(graph, query, to).map(rank);
        self.best += usize::from(best != expected);
        let several = search.routes(graph, query, to, ROUTES);
        let several: Vec<_> = several.into_iter().map(rank).map(two).collect();
        let all = allowed.iter().take(ROUTES).map(|route| two(route.rank));
        self.several += usize::from(several != all.collect::<Vec<_>>());
        let arrival = search.tree(graph, query).arrival(to);
        self.tree += usize::from(arrival != expected.map(two));
    }
}
