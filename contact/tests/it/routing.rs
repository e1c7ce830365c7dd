// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The searches against exhaustive search on small plans full of ties.
//!
//! A case has a plan and 20 queries of each kind. `PROPTEST_CASES` sets the number of cases.

use contact::{
    Backlog, BytesPerSecond, Candidate, Confidence, Contact, ContactGraph, GraphOptions,
    NodeNumber, Plan, Priority, Query, Range, Rank, Search, Span, UtcTime, Volumes,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::oracle::{allowed, rank};

const NODES: u64 = 5;
const PAIRS: usize = 25;

fn node() -> impl Strategy<Value = NodeNumber> {
    (1..=NODES).prop_map(NodeNumber)
}

/// Few times, so that contacts touch and arrivals are equal.
fn interval() -> impl Strategy<Value = (UtcTime, UtcTime)> {
    (0..12_u64, 1..8_u64).prop_map(|(start, len)| {
        (
            UtcTime::from_seconds(start),
            UtcTime::from_seconds(start + len),
        )
    })
}

fn rate() -> impl Strategy<Value = BytesPerSecond> {
    prop_oneof![
        8 => prop::sample::select(vec![1_u64, 3, 10, 1000]),
        1 => Just(0),
        1 => Just(u64::MAX),
    ]
    .prop_map(BytesPerSecond)
}

fn contact() -> impl Strategy<Value = Contact> {
    (node(), node(), interval(), rate()).prop_map(|(from, to, (start, end), rate)| Contact {
        from,
        to,
        start,
        end,
        rate,
        confidence: Confidence::CERTAIN,
    })
}

fn range() -> impl Strategy<Value = Range> {
    let light_time = prop::sample::select(vec![0_u64, 1, 2, 9]).prop_map(Span::from_seconds);
    (node(), node(), interval(), light_time).prop_map(|(from, to, (start, end), light_time)| {
        Range {
            from,
            to,
            start,
            end,
            light_time,
        }
    })
}

fn plan() -> impl Strategy<Value = Plan> {
    let light_times = vec(0..3_u64, PAIRS);
    (vec(contact(), 1..32), vec(range(), 0..6), light_times).prop_map(
        |(contacts, ranges, light_times)| {
            let mut plan = Plan::new();
            for contact in contacts {
                let _ = plan.add_contact(contact);
            }
            for range in ranges {
                let _ = plan.add_range(range);
            }
            // Most pairs have a light time in the later part of the plan, few have none.
            let pairs = (1..=NODES).flat_map(|from| (1..=NODES).map(move |to| (from, to)));
            for ((from, to), light_time) in pairs.zip(light_times) {
                let (start, end) = (UtcTime::from_seconds(to / 4), UtcTime::from_seconds(40));
                let (from, to) = (NodeNumber(from), NodeNumber(to));
                let light_time = Span::from_seconds(light_time);
                let _ = plan.add_range(Range {
                    from,
                    to,
                    start,
                    end,
                    light_time,
                });
            }
            plan
        },
    )
}

/// What a query asks, without the things that it borrows.
#[derive(Clone, Debug)]
struct Question {
    from: NodeNumber,
    to: NodeNumber,
    at: u64,
    bytes: u64,
    may_fragment: bool,
    priority: Priority,
    deadline: Option<u64>,
    excluded: Vec<NodeNumber>,
    previous: Option<NodeNumber>,
}

fn question() -> impl Strategy<Value = Question> {
    let priority = prop::sample::select(Priority::ALL.to_vec());
    let bytes = prop::sample::select(vec![0_u64, 1, 2, 5, 12, 40]);
    let deadline = prop::option::weighted(0.3, 0..30_u64);
    let excluded = vec(node(), 0..2);
    let previous = prop::option::weighted(0.2, node());
    let rest = (priority, deadline, excluded, previous);
    (node(), node(), 0..14_u64, bytes, any::<bool>(), rest).prop_map(
        |(from, to, at, bytes, may_fragment, (priority, deadline, excluded, previous))| Question {
            from,
            to,
            at,
            bytes,
            may_fragment,
            priority,
            deadline,
            excluded,
            previous,
        },
    )
}

impl Question {
    fn query(&self) -> Query<'_> {
        Query {
            bytes: self.bytes,
            may_fragment: self.may_fragment,
            priority: self.priority,
            deadline: self.deadline.map_or(UtcTime::MAX, UtcTime::from_seconds),
            excluded: &self.excluded,
            previous: self.previous,
            ..Query::new(self.from, UtcTime::from_seconds(self.at))
        }
    }
}

/// The rank of the first route and its hops, which is what a search promises by itself.
fn first_two(rank: Rank) -> (UtcTime, usize) {
    (rank.arrival, rank.hops)
}

/// Compares every search with the exhaustive one, and every list of contacts with its verdict.
fn check(
    plan: &Plan,
    graph: &ContactGraph,
    search: &mut Search,
    query: &Query<'_>,
    to: NodeNumber,
) {
    let allowed = allowed(plan, graph, query, to);
    let expected = allowed.first().map(|route| route.rank);
    let route = search
        .route(graph, query, to)
        .map(|route| route.rank(graph));
    assert_eq!(route.map(first_two), expected.map(first_two), "first route");

    let best = search.best_route(graph, query, to);
    assert_eq!(
        best.as_ref().map(|route| route.rank(graph)),
        expected,
        "best route"
    );
    if let Some(best) = best {
        let contacts: Vec<_> = best.contacts().collect();
        assert_eq!(
            rank(plan, graph, query, &contacts),
            expected,
            "the route is what it says"
        );
        let candidate = Candidate::of(graph, query, &contacts).expect("the best route will do");
        assert_eq!(candidate.route, best);
    }

    let routes = search.routes(graph, query, to, 4);
    let found: Vec<_> = routes
        .iter()
        .map(|route| first_two(route.rank(graph)))
        .collect();
    let expected: Vec<_> = allowed
        .iter()
        .take(4)
        .map(|route| first_two(route.rank))
        .collect();
    assert_eq!(found, expected, "first four routes");
    let mut contacts: Vec<Vec<_>> = routes
        .iter()
        .map(|route| route.contacts().collect())
        .collect();
    contacts.sort();
    contacts.dedup();
    assert_eq!(contacts.len(), routes.len(), "no route comes twice");

    for route in allowed.iter().take(20) {
        let candidate = Candidate::of(graph, query, &route.contacts).map(|c| c.route.rank(graph));
        assert_eq!(candidate, Ok(route.rank));
    }
}

/// Paths of two contacts, most of which will not do, get the verdict of the rules.
fn check_verdicts(plan: &Plan, graph: &ContactGraph, query: &Query<'_>) {
    for first in graph
        .indices()
        .filter(|&index| graph.contact(index).from == query.from)
    {
        for second in graph.indices() {
            if graph.contact(first).to != graph.contact(second).from {
                continue;
            }
            let path = [first, second];
            let candidate = Candidate::of(graph, query, &path);
            let found = candidate.ok().map(|candidate| candidate.route.rank(graph));
            assert_eq!(found, rank(plan, graph, query, &path));
        }
    }
}

proptest! {
    #[test]
    fn routes_for_no_bundle_agree(plan in plan(), questions in vec(question(), 20)) {
        let graph = ContactGraph::new(&plan, &GraphOptions::default());
        let mut search = Search::new();
        for question in questions.iter().filter(|question| question.from != question.to) {
            let query = Query::new(question.from, UtcTime::from_seconds(question.at));
            check(&plan, &graph, &mut search, &query, question.to);
        }
    }

    #[test]
    fn routes_for_bundles_agree(
        plan in plan(),
        questions in vec(question(), 20),
        queued in vec((node(), prop::sample::select(Priority::ALL.to_vec()), 1..40_u64), 0..6),
        booked in vec((question(), 1..30_u64), 0..6),
    ) {
        let graph = ContactGraph::new(&plan, &GraphOptions::default());
        let mut search = Search::new();
        let mut backlog = Backlog::new();
        for (neighbour, priority, bytes) in queued {
            backlog.add(neighbour, priority, bytes);
        }
        let mut volumes = Volumes::new(&graph);
        for (question, bytes) in booked {
            let query = Query::new(question.from, UtcTime::from_seconds(question.at));
            if let Some(route) = search.route(&graph, &query, question.to) {
                volumes.book(&route, bytes, question.priority);
            }
        }
        for question in questions.iter().filter(|question| question.from != question.to) {
            let query = Query {
                volumes: Some(&volumes),
                backlog: Some(&backlog),
                ..question.query()
            };
            check(&plan, &graph, &mut search, &query, question.to);
            check_verdicts(&plan, &graph, &query);
        }
    }

    #[test]
    fn trees_have_the_first_routes(plan in plan(), questions in vec(question(), 20)) {
        let graph = ContactGraph::new(&plan, &GraphOptions::default());
        let (mut search, mut single) = (Search::new(), Search::new());
        for question in &questions {
            let query = question.query();
            let tree = search.tree(&graph, &query);
            for &to in graph.nodes().iter().filter(|&&to| to != query.from) {
                let expected = allowed(&plan, &graph, &query, to).first().map(|route| route.rank);
                prop_assert_eq!(tree.arrival(to), expected.map(first_two));
                let expected = single.route(&graph, &query, to);
                let expected = expected.map(|route| first_two(route.rank(&graph)));
                let route = tree.route(to).map(|route| first_two(route.rank(&graph)));
                prop_assert_eq!(route, expected);
            }
        }
    }
}

/// Agreement on "no route" alone would say little.
#[test]
fn most_questions_have_an_answer() {
    let mut runner = TestRunner::deterministic();
    let (mut asked, mut answered, mut relayed, mut tied) = (0, 0, 0, 0);
    for _ in 0..200 {
        let tree = (plan(), vec(question(), 20)).new_tree(&mut runner);
        let (plan, questions) = tree.expect("the strategies reject nothing").current();
        let graph = ContactGraph::new(&plan, &GraphOptions::default());
        for question in questions
            .iter()
            .filter(|question| question.from != question.to)
        {
            let query = Query::new(question.from, UtcTime::from_seconds(question.at));
            let allowed = allowed(&plan, &graph, &query, question.to);
            let ranks: Vec<_> = allowed.iter().map(|route| route.rank).collect();
            asked += 1;
            answered += usize::from(!ranks.is_empty());
            relayed += usize::from(ranks.first().is_some_and(|rank| rank.hops > 1));
            let is_tied = |pair: &[Rank]| first_two(pair[0]) == first_two(pair[1]);
            tied += usize::from(ranks.windows(2).take(1).any(is_tied));
        }
    }
    let share = |part: usize| part * 100 / asked;
    let shares = [share(answered), share(relayed), share(tied)];
    let least = [40, 15, 1];
    let is_enough = shares
        .iter()
        .zip(least)
        .all(|(&share, least)| share >= least);
    assert!(is_enough, "per cent answered, relayed, tied: {shares:?}");
}
