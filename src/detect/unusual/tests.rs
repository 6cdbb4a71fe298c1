use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::domain::Margin;

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// Numbers between 0 and 1 that are the same each time.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Samples at five minutes: a load that is high by day and low by night, lower at weekends, with noise.
fn load(samples: usize) -> Vec<(i64, f64)> {
    let mut random = random(1);
    let load = |at: usize| {
        let time = at as i64 * 5 * MINUTE;
        let (day, hour) = (time / DAY % 7, (time % DAY) as f64 / (DAY / 24) as f64);
        let wave = (1.0 - (hour / 12.0 * std::f64::consts::PI).cos()) * if day < 5 { 30.0 } else { 10.0 };
        (time, 20.0 + wave + 4.0 * random())
    };
    (0..samples).map(load).collect()
}

fn verdicts(settings: Settings, samples: &[(i64, f64)]) -> Vec<Verdict> {
    let mut state = Unusual::default();
    samples.iter().map(|(time, value)| state.step(settings, *time, *value)).collect()
}

fn alerts(settings: Settings, samples: &[(i64, f64)]) -> Vec<usize> {
    let scores = verdicts(settings, samples);
    (0..samples.len()).filter(|at| scores[*at].score >= ALERT).collect()
}

const BOTH: Settings = Settings { direction: Direction::Both, season: Season::Week };
const THREE_WEEKS: usize = 3 * 7 * 288;

#[test]
fn a_regular_load_is_silent_once_it_is_known() {
    let found = alerts(BOTH, &load(2 * THREE_WEEKS));
    let since = |at: usize| found.iter().filter(|found| **found >= at).count();
    assert!(since(THREE_WEEKS / 3 * 2) <= 2, "after two of six weeks: {found:?}");
}

#[test]
fn spikes_and_drops_are_alerts_of_their_direction() {
    let mut samples = load(THREE_WEEKS);
    let (up, down) = (THREE_WEEKS - 500, THREE_WEEKS - 200);
    samples[up].1 += 300.0;
    samples[down].1 -= 300.0;
    for (direction, expected) in
        [(Direction::Both, vec![up, down]), (Direction::Up, vec![up]), (Direction::Down, vec![down])]
    {
        let settings = Settings { direction, season: Season::Week };
        let found = alerts(settings, &samples);
        for at in expected {
            assert!(found.contains(&at), "{direction:?}: {found:?}");
        }
        assert!(direction != Direction::Up || !found.contains(&down));
        assert!(direction != Direction::Down || !found.contains(&up));
    }
    let verdict = verdicts(BOTH, &samples)[up];
    assert_eq!(verdict.why, Some(Why { cause: Cause::Outside, up: true, samples: 1 }));
    assert!((15.0..25.0).contains(&verdict.low) && (75.0..90.0).contains(&verdict.high), "{verdict:?}");
}

#[test]
fn the_load_of_noon_is_unusual_at_midnight() {
    let mut samples = load(THREE_WEEKS);
    let midnight = THREE_WEEKS - 4 * 288;
    samples[midnight].1 = 75.0;
    let verdict = verdicts(BOTH, &samples)[midnight];
    assert!(verdict.score >= ALERT, "{verdict:?}");
    let Why { cause, up, .. } = verdict.why.unwrap();
    assert!(up && matches!(cause, Cause::HourOfDay | Cause::HourOfWeek | Cause::Jump), "{cause:?}");
    assert!(verdict.high < 75.0, "{verdict:?}");
}

#[test]
fn a_level_that_stays_is_an_alert_and_the_end_of_it_is_silence() {
    let mut random = random(3);
    let mut samples: Vec<(i64, f64)> = (0..3000).map(|at| (at * 5 * MINUTE, (random() * 10.0).floor())).collect();
    samples[2000..].iter_mut().for_each(|(_, value)| *value = 9.0);
    let settings = Settings { season: Season::None, ..BOTH };
    let found = alerts(settings, &samples);
    let at = found.iter().find(|at| **at >= 2000).expect("an alert");
    assert!((2002..2008).contains(at), "{found:?}");
    let why = verdicts(settings, &samples)[*at].why;
    assert!(matches!(why, Some(Why { cause: Cause::Stays, up: true, samples: 4.. })), "{why:?}");
    assert!(found.iter().filter(|at| **at >= 2000).count() <= 2, "it is news only once: {found:?}");
}

#[test]
fn the_first_change_of_a_constant_is_an_alert_and_constants_are_none() {
    let mut samples: Vec<(i64, f64)> = (0..2000).map(|at| (at * MINUTE, 0.1)).collect();
    assert_eq!(alerts(BOTH, &samples), [0; 0]);
    samples[1800].1 = 0.1 + 1e-9;
    assert_eq!(alerts(BOTH, &samples), [1800]);
}

#[test]
fn a_counter_is_silent() {
    let mut random = random(5);
    let mut total = 0.0;
    let mut count = |at: i64| {
        total += 90.0 + 20.0 * random();
        (at * MINUTE, total)
    };
    let samples: Vec<(i64, f64)> = (0..5000).map(&mut count).collect();
    assert_eq!(alerts(BOTH, &samples), [0; 0]);
}

#[test]
fn too_few_samples_are_insufficient_data() {
    let samples = load(600);
    let ready = |settings| verdicts(settings, &samples).iter().position(|verdict| verdict.ready);
    assert_eq!(ready(BOTH), Some(288));
    assert_eq!(ready(Settings { season: Season::None, ..BOTH }), Some(LEARNING as usize));
    let hourly: Vec<(i64, f64)> = samples.iter().map(|(time, value)| (time * 12, *value)).collect();
    let first = verdicts(BOTH, &hourly).iter().position(|verdict| verdict.ready);
    assert_eq!(first, Some(LEARNING as usize), "a day is not enough where it is few samples");
}

#[test]
fn the_state_is_small_and_survives_a_restart() {
    assert!(size_of::<Unusual>() < 4096, "{}", size_of::<Unusual>());
    let samples = load(1500);
    let mut state = Unusual::default();
    for (time, value) in &samples[..1200] {
        state.step(BOTH, *time, *value);
    }
    let bytes = postcard::to_allocvec(&state).unwrap();
    println!("{} bytes of state, {} as postcard", size_of::<Unusual>(), bytes.len());
    assert!(bytes.len() < 4096, "{}", bytes.len());
    let mut restored: Unusual = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(restored, state);
    let json = serde_json::to_string(&Unusual::default()).unwrap();
    assert_eq!(serde_json::from_str::<Unusual>(&json).unwrap(), Unusual::default());
    for (time, value) in &samples[1200..] {
        assert_eq!(restored.step(BOTH, *time, *value), state.step(BOTH, *time, *value));
    }
}

#[test]
fn a_value_that_is_no_number_is_passed_over() {
    let samples = load(1000);
    let (mut with, mut without) = (Unusual::default(), Unusual::default());
    for (time, value) in samples {
        for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(with.step(BOTH, time + 1, none).score, 0.0);
        }
        assert_eq!(with.step(BOTH, time, value), without.step(BOTH, time, value));
    }
}

/// The surprise as a reader of a page reckons it, from the figures that are stated there.
fn by_hand(stated: &Reckoning) -> f64 {
    let step = stated.change.get().max(0.03 * stated.range.get());
    let margin = |beyond: f64| if beyond > 0.0 { (beyond / step).min(10.0) } else { 0.0 };
    stated.margins.iter().map(|one| margin(one.beyond.get())).sum::<f64>() / f64::from(stated.views)
}

/// The same of the figures that are compared, which are too coarse where they lie close together.
fn compared(one: &Margin) -> f64 {
    let [least, greatest, low, high] = [one.least, one.greatest, one.low, one.high].map(Figure::get);
    (least - high).max(low - greatest)
}

fn settings() -> impl Strategy<Value = Settings> {
    let direction = prop_oneof![Just(Direction::Up), Just(Direction::Down), Just(Direction::Both)];
    let season = prop_oneof![Just(Season::None), Just(Season::Day), Just(Season::Week)];
    (direction, season).prop_map(|(direction, season)| Settings { direction, season })
}

/// Walks, waves, steps, spikes and ties at a cadence, days long.
fn history() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let piece = (-100.0f64..100.0, 0.0f64..20.0, 1usize..120, any::<bool>());
    (vec(piece, 1..12), prop_oneof![Just(MINUTE), Just(30 * MINUTE), Just(5 * MINUTE + 1)], any::<u64>()).prop_map(
        |(pieces, cadence, seed)| {
            let mut random = random(seed);
            let mut values = Vec::new();
            for (level, noise, length, walks) in pieces {
                let mut at = level;
                for _ in 0..length {
                    let step = noise * (random() - 0.5);
                    at = if walks { at + step } else { level + step };
                    values.push(if random() < 0.01 { at * 10.0 } else { at });
                }
            }
            values.into_iter().enumerate().map(|(place, value)| (place as i64 * cadence, value)).collect()
        },
    )
}

fn scores(settings: Settings, samples: &[(i64, f64)], change: impl Fn(f64) -> f64) -> Vec<f64> {
    let changed: Vec<(i64, f64)> = samples.iter().map(|(time, value)| (*time, change(*value))).collect();
    verdicts(settings, &changed).iter().map(|verdict| verdict.score).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn scores_of_a_prefix_are_the_prefix_of_the_scores(
        settings in settings(), samples in history(), cut in any::<proptest::sample::Index>(),
    ) {
        let cut = cut.index(samples.len());
        let mut changed = samples.clone();
        changed[cut..].iter_mut().for_each(|(_, value)| *value = -1e9 * *value + 7.0);
        let whole = verdicts(settings, &samples);
        prop_assert_eq!(&verdicts(settings, &samples[..cut])[..], &whole[..cut]);
        prop_assert_eq!(&verdicts(settings, &changed)[..cut], &whole[..cut]);
    }

    #[test]
    fn scores_are_the_same_in_other_units(
        settings in settings(), samples in history(), exponent in -200i32..200, factor in 0.001f64..1000.0,
        offset in -1000.0f64..1000.0,
    ) {
        let plain = scores(settings, &samples, |value| value);
        prop_assert_eq!(&scores(settings, &samples, |value| value * 2f64.powi(exponent)), &plain);
        for changed in [
            scores(settings, &samples, |value| value * factor),
            scores(settings, &samples, |value| value + offset),
        ] {
            for (at, (one, other)) in plain.iter().zip(&changed).enumerate() {
                prop_assert!((one - other).abs() < 1e-6, "sample {}: {} and {}", at, one, other);
            }
        }
    }

    #[test]
    fn what_is_named_is_outside_of_the_usual_range(settings in settings(), samples in history()) {
        for (verdict, (_, value)) in verdicts(settings, &samples).iter().zip(&samples) {
            prop_assert!(verdict.low <= verdict.high, "{:?}", verdict);
            prop_assert!(verdict.score == 0.0 || verdict.why.is_some(), "{:?}", verdict);
            let Some(why) = verdict.why else { continue };
            let by = if why.up { value - verdict.high } else { verdict.low - value };
            prop_assert!(by > -1e-9, "{} and {:?}", value, verdict);
            let unwanted = if why.up { Direction::Down } else { Direction::Up };
            prop_assert_ne!(settings.direction, unwanted);
        }
    }

    #[test]
    fn a_score_can_be_reckoned_from_what_is_stated_of_it(settings in settings(), samples in history()) {
        let mut state = Unusual::default();
        for (time, value) in &samples {
            let held = state.held;
            let (verdict, stated) = state.told(settings, *time, *value, 0.0);
            prop_assert_eq!(stated.is_some(), verdict.ready);
            let Some(stated) = stated else { continue };
            let surprise = by_hand(&stated);
            prop_assert!((surprise - verdict.surprise).abs() <= 1e-6 * surprise.max(1e-6), "{} {:?}", surprise, stated);
            prop_assert!((stated.held.get() - held).abs() <= 1e-8 * held);
            let counts = surprise > 1.5 * stated.held.get();
            let score = if counts { surprise / (surprise + 0.125 + 0.075 * verdict.peak) } else { 0.0 };
            let is_close = (surprise - 1.5 * held).abs() < 1e-6 * surprise;
            prop_assert!((score - verdict.score).abs() < 1e-6 || is_close, "{} {:?} {:?}", score, verdict, stated);
            for one in stated.margins.iter().filter(|one| one.margin.get() > 0.0) {
                let coarse = 1e-8 * [one.least, one.greatest, one.low, one.high].map(|f| f.get().abs()).into_iter().fold(0.0, f64::max);
                prop_assert!((compared(one) - one.beyond.get()).abs() <= 2.0 * coarse, "{:?}", one);
            }
        }
    }

    #[test]
    fn upside_down_the_directions_change_places(season in Just(Season::Week), samples in history()) {
        let of = |direction, sign: f64| scores(Settings { direction, season }, &samples, |value| sign * value);
        prop_assert_eq!(of(Direction::Up, 1.0), of(Direction::Down, -1.0));
        let (both, turned) = (of(Direction::Both, 1.0), of(Direction::Both, -1.0));
        for (one, other) in both.iter().zip(&turned) {
            prop_assert!((one - other).abs() < 1e-9, "{} and {}", one, other);
        }
    }

    #[test]
    fn no_finite_input_does_harm(
        settings in settings(),
        samples in vec((any::<i64>(), prop_oneof![
            any::<f64>().prop_filter("finite", |value| value.is_finite()),
            Just(f64::MAX), Just(f64::MIN), Just(5e-324), Just(-0.0), Just(1.0), -1.0f64..1.0,
        ]), 0..300),
    ) {
        for verdict in verdicts(settings, &samples) {
            prop_assert!((0.0..=1.0).contains(&verdict.score), "{:?}", verdict);
            prop_assert!(verdict.low.is_finite() && verdict.high.is_finite(), "{:?}", verdict);
        }
    }
}
