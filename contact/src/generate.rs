// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Plans of orbits: stations on Earth, satellites around it, relays around the Moon, landers.
//!
//! Every body moves on a circle around its centre, and the Moon on one around Earth. Two nodes
//! are in contact while neither Earth nor Moon is in between, and as seen from the surface the
//! other one is high enough. That gives plans with the rhythm and the size of real ones, for
//! measurements and tests; it does not tell where a real satellite is.

use std::f64::consts::{PI, TAU};

use crate::model::{BytesPerSecond, Confidence, Contact, NodeNumber, Range, Span, UtcTime};
use crate::plan::Plan;

/// How many nodes of each kind there are, and for how long.
///
/// Equal scenarios give equal plans on the same machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scenario {
    /// What decides about places and phases.
    pub seed: u64,
    /// Stations on Earth. Their numbers begin at 1; the numbers of the other kinds follow.
    pub stations: u32,
    /// Satellites around Earth, each with links to its four neighbours.
    pub satellites: u32,
    /// Relays around the Moon.
    pub relays: u32,
    /// Landers on the Moon.
    pub landers: u32,
    /// The start of the plan.
    pub start: UtcTime,
    /// Its length.
    pub seconds: u32,
}

/// How often it is looked whether two nodes see each other. Edges are then found to a second.
const STEP: u32 = 30;
const LIGHT_KM_PER_SECOND: f64 = 299_792.458;
const MOON_DISTANCE_KM: f64 = 384_400.0;
const MOON_RADIANS_PER_SECOND: f64 = TAU / (27.321_661 * 86_400.0);
/// The sine of 10 degrees, under which a station does not send.
const LEAST_ELEVATION_SINE: f64 = 0.173_648_178;

type Vector = [f64; 3];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Body {
    Earth,
    Moon,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Station,
    Satellite,
    Relay,
    Lander,
}

/// A node: a circle around a point near the centre of its body.
#[derive(Clone, Copy, Debug)]
struct Mover {
    kind: Kind,
    offset: Vector,
    /// Where it is at phase 0, and a quarter of a circle later.
    axes: [Vector; 2],
    radians_per_second: f64,
    phase: f64,
}

/// Makes the plan of a scenario: contacts in both directions, and ranges for both.
#[must_use]
pub fn generate(scenario: &Scenario) -> Plan {
    let movers = movers(scenario);
    let pairs = pairs(scenario, &movers);
    let mut opened: Vec<Option<u32>> = vec![None; pairs.len()];
    let mut plan = Plan::new();
    let mut second = 0;
    loop {
        let places: Vec<Vector> = movers.iter().map(|mover| mover.place(second)).collect();
        for (&(a, b), opened) in pairs.iter().zip(&mut opened) {
            let sees = see(&movers[a], &movers[b], places[a], places[b], second);
            let is_over = second >= scenario.seconds;
            match *opened {
                None if sees && !is_over => *opened = Some(edge(&movers[a], &movers[b], second)),
                Some(start) if !sees || is_over => {
                    *opened = None;
                    let end = if sees {
                        scenario.seconds
                    } else {
                        edge(&movers[a], &movers[b], second)
                    };
                    add(
                        &mut plan,
                        scenario,
                        &movers,
                        (a, b),
                        start..end.min(scenario.seconds),
                    );
                }
                _ => (),
            }
        }
        if second >= scenario.seconds {
            return plan;
        }
        second = second.saturating_add(STEP).min(scenario.seconds);
    }
}

/// The first second, after the step before this one, at which it is as it is now.
fn edge(a: &Mover, b: &Mover, second: u32) -> u32 {
    let sees = |second| see(a, b, a.place(second), b.place(second), second);
    let now = sees(second);
    let (mut before, mut after) = (second.saturating_sub(STEP), second);
    if sees(before) == now {
        return before;
    }
    while after - before > 1 {
        let middle = before.midpoint(after);
        if sees(middle) == now {
            after = middle;
        } else {
            before = middle;
        }
    }
    after
}

fn add(
    plan: &mut Plan,
    scenario: &Scenario,
    movers: &[Mover],
    (a, b): (usize, usize),
    seconds: std::ops::Range<u32>,
) {
    let middle = seconds.start.midpoint(seconds.end);
    let distance = length(minus(movers[a].place(middle), movers[b].place(middle)));
    let at = |second: u32| {
        let span = Span::from_seconds(u64::from(second));
        scenario.start.checked_add(span).unwrap_or(UtcTime::MAX)
    };
    let (start, end) = (at(seconds.start), at(seconds.end));
    let number = |place: usize| NodeNumber(place as u64 + 1);
    for (from, to) in [(a, b), (b, a)] {
        // Nothing overlaps, and what would be empty at the end of the plan is refused.
        let _ = plan.add_contact(Contact {
            from: number(from),
            to: number(to),
            start,
            end,
            rate: rate(movers[from].kind, movers[to].kind),
            confidence: Confidence::CERTAIN,
        });
    }
    let _ = plan.add_range(Range {
        from: number(a.min(b)),
        to: number(a.max(b)),
        start,
        end,
        light_time: light_time(distance),
    });
}

const fn rate(from: Kind, to: Kind) -> BytesPerSecond {
    BytesPerSecond(match (from, to) {
        (Kind::Station, Kind::Satellite) => 1_200,
        (Kind::Satellite, _) => 31_250,
        (Kind::Station, _) => 625_000,
        (Kind::Lander, Kind::Station) => 12_500,
        (Kind::Lander, _) => 250_000,
        (Kind::Relay, _) => 12_500_000,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "distances are positive, and of two seconds of light at most"
)]
fn light_time(distance_km: f64) -> Span {
    Span::from_micros((distance_km / LIGHT_KM_PER_SECOND * 1e6).round() as u64)
}

/// The pairs that can have contacts, by their places.
fn pairs(scenario: &Scenario, movers: &[Mover]) -> Vec<(usize, usize)> {
    let first_satellite = scenario.stations as usize;
    let satellites = scenario.satellites as usize;
    let planes = planes(scenario.satellites) as usize;
    let mut pairs = Vec::new();
    for (a, from) in movers.iter().enumerate() {
        for (b, to) in movers.iter().enumerate().skip(a + 1) {
            let is_pair = match (from.kind, to.kind) {
                (Kind::Satellite, Kind::Satellite) => {
                    // Satellites stand plane by plane: the next in the plane, and in the next one.
                    let apart = (b - a).min(satellites - (b - a));
                    let plane = |place: usize| (place - first_satellite) % planes;
                    apart == planes || (apart == 1 && plane(a).abs_diff(plane(b)) == 1)
                }
                (Kind::Station, Kind::Satellite | Kind::Relay | Kind::Lander)
                | (Kind::Relay, Kind::Relay | Kind::Lander) => true,
                _ => false,
            };
            if is_pair {
                pairs.push((a, b));
            }
        }
    }
    pairs
}

/// In how many planes satellites fly: about as many as there are in each.
const fn planes(satellites: u32) -> u32 {
    let planes = satellites.isqrt();
    if planes == 0 { 1 } else { planes }
}

fn movers(scenario: &Scenario) -> Vec<Mover> {
    let mut random = Random(scenario.seed);
    let mut movers = Vec::new();
    for _ in 0..scenario.stations {
        movers.push(Mover::on_surface(Kind::Station, &mut random));
    }
    let planes = planes(scenario.satellites);
    let tilt = random.between(0.9, 1.5);
    for number in 0..scenario.satellites {
        let plane = f64::from(number % planes) / f64::from(planes);
        let along = f64::from(number / planes) / f64::from(scenario.satellites.div_ceil(planes));
        let orbit = Orbit {
            radius: Body::Earth.radius() + 780.0,
            tilt,
            node: plane * PI,
            phase: (along + plane / f64::from(planes)) * TAU,
        };
        movers.push(Mover::in_orbit(Kind::Satellite, &orbit));
    }
    for _ in 0..scenario.relays {
        let orbit = Orbit {
            radius: Body::Moon.radius() + random.between(1_000.0, 8_000.0),
            tilt: random.between(0.7, 1.6),
            node: random.between(0.0, TAU),
            phase: random.between(0.0, TAU),
        };
        movers.push(Mover::in_orbit(Kind::Relay, &orbit));
    }
    for _ in 0..scenario.landers {
        movers.push(Mover::on_surface(Kind::Lander, &mut random));
    }
    movers
}

struct Orbit {
    radius: f64,
    tilt: f64,
    node: f64,
    phase: f64,
}

impl Body {
    const fn radius(self) -> f64 {
        match self {
            Self::Earth => 6_371.0,
            Self::Moon => 1_737.4,
        }
    }

    /// The gravitational parameter, in km^3/s^2.
    const fn gravity(self) -> f64 {
        match self {
            Self::Earth => 398_600.441_8,
            Self::Moon => 4_902.800_1,
        }
    }

    const fn spin(self) -> f64 {
        match self {
            Self::Earth => 7.292_115_9e-5,
            Self::Moon => MOON_RADIANS_PER_SECOND,
        }
    }

    fn centre(self, second: u32) -> Vector {
        match self {
            Self::Earth => [0.0; 3],
            Self::Moon => {
                let (sine, cosine) = (MOON_RADIANS_PER_SECOND * f64::from(second)).sin_cos();
                [MOON_DISTANCE_KM * cosine, MOON_DISTANCE_KM * sine, 0.0]
            }
        }
    }
}

impl Kind {
    const fn body(self) -> Body {
        match self {
            Self::Station | Self::Satellite => Body::Earth,
            Self::Relay | Self::Lander => Body::Moon,
        }
    }

    const fn is_on_surface(self) -> bool {
        matches!(self, Self::Station | Self::Lander)
    }
}

impl Mover {
    fn on_surface(kind: Kind, random: &mut Random) -> Self {
        let radius = kind.body().radius();
        // Equal areas are equally likely, but for the poles, where few stations are.
        let height = random.between(-0.9, 0.9);
        let around = radius * (1.0 - height * height).sqrt();
        Self {
            kind,
            offset: [0.0, 0.0, radius * height],
            axes: [[around, 0.0, 0.0], [0.0, around, 0.0]],
            radians_per_second: kind.body().spin(),
            phase: random.between(0.0, TAU),
        }
    }

    fn in_orbit(kind: Kind, orbit: &Orbit) -> Self {
        let Orbit {
            radius,
            tilt,
            node,
            phase,
        } = *orbit;
        let (node_sine, node_cosine) = node.sin_cos();
        let (tilt_sine, tilt_cosine) = tilt.sin_cos();
        let first = [node_cosine, node_sine, 0.0];
        let second = [
            -node_sine * tilt_cosine,
            node_cosine * tilt_cosine,
            tilt_sine,
        ];
        Self {
            kind,
            offset: [0.0; 3],
            axes: [
                first.map(|part| part * radius),
                second.map(|part| part * radius),
            ],
            radians_per_second: (kind.body().gravity() / radius.powi(3)).sqrt(),
            phase,
        }
    }

    fn place(&self, second: u32) -> Vector {
        let angle = self.phase + self.radians_per_second * f64::from(second);
        let (sine, cosine) = angle.sin_cos();
        let centre = self.kind.body().centre(second);
        let [first, quarter] = self.axes;
        [0, 1, 2].map(|axis| {
            centre[axis] + self.offset[axis] + first[axis] * cosine + quarter[axis] * sine
        })
    }
}

/// Whether two nodes at these places can be in contact.
fn see(a: &Mover, b: &Mover, at: Vector, other: Vector, second: u32) -> bool {
    [Body::Earth, Body::Moon].into_iter().all(|body| {
        let centre = body.centre(second);
        let (at, other) = (minus(at, centre), minus(other, centre));
        let mut stands = false;
        let mut rises = true;
        for (mover, up, there) in [(a, at, other), (b, other, at)] {
            if mover.kind.is_on_surface() && mover.kind.body() == body {
                stands = true;
                let way = minus(there, up);
                rises &= dot(up, way) >= LEAST_ELEVATION_SINE * length(up) * length(way);
            }
        }
        if stands {
            rises
        } else {
            passes(at, other, body.radius())
        }
    })
}

/// Whether the line between two points stays out of a sphere around the origin.
fn passes(a: Vector, b: Vector, radius: f64) -> bool {
    let way = minus(b, a);
    let nearest = (-dot(a, way) / dot(way, way)).clamp(0.0, 1.0);
    let point = [0, 1, 2].map(|axis| a[axis] + way[axis] * nearest);
    dot(point, point) > radius * radius
}

fn minus(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn length(vector: Vector) -> f64 {
    dot(vector, vector).sqrt()
}

/// `SplitMix64`: numbers that look random, from a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        let bits = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        low + (high - low) * (f64::from(bits) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, Kind, Mover, Orbit, passes, see};

    #[test]
    fn a_low_orbit_takes_an_hour_and_a_half() {
        let orbit = Orbit {
            radius: Body::Earth.radius() + 400.0,
            tilt: 0.9,
            node: 0.3,
            phase: 0.0,
        };
        let satellite = Mover::in_orbit(Kind::Satellite, &orbit);
        let period = std::f64::consts::TAU / satellite.radians_per_second;
        assert!((5_500.0..5_600.0).contains(&period), "{period}");
    }

    #[test]
    fn bodies_are_in_the_way() {
        assert!(!passes([-10.0, 0.0, 0.0], [10.0, 0.0, 0.0], 1.0));
        assert!(passes([-10.0, 2.0, 0.0], [10.0, 2.0, 0.0], 1.0));
        assert!(passes([2.0, 0.0, 0.0], [10.0, 0.0, 0.0], 1.0));
        let orbit = |phase| Orbit {
            radius: 7_000.0,
            tilt: 0.0,
            node: 0.0,
            phase,
        };
        let [near, first, far] =
            [0.0, 0.1, 3.0].map(|phase| Mover::in_orbit(Kind::Satellite, &orbit(phase)));
        let sees = |other: &Mover| see(&near, other, near.place(0), other.place(0), 0);
        assert!(sees(&first));
        assert!(!sees(&far));
    }
}
