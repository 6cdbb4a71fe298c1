//! What is answered together, by which action, on what, and in which order.

use super::*;

/// The recommendations, as `id <- anomalies`, that the shipped playbook gives.
#[track_caller]
fn check(text: &str, services: &str, expected: &[&str]) {
    let decided = decide(&planner(Language::En), &anomalies(text, services));
    let got: Vec<String> = decided.iter().map(|r| format!("{} <- {}", r.id, r.anomalies.join(" "))).collect();
    assert_eq!(got, expected);
    let targets: Vec<&str> = decided.iter().map(|r| r.id.split([':', '@']).nth(1).unwrap()).collect();
    assert_eq!(decided.iter().map(|r| r.target.as_str()).collect::<Vec<_>>(), targets);
}

#[test]
fn one_cause_is_one_recommendation() {
    check("cpu_usage=93 latency_ms=334", SERVICES, &["scale-out:api_gateway <- latency_ms cpu_usage"]);
    check(
        "cpu_usage=85 latency_ms=250 api_gateway:degraded",
        SERVICES,
        &["scale-out:api_gateway <- cpu_usage latency_ms", "restart:api_gateway <- service_status.api_gateway"],
    );
    check(
        "error_rate=0.09 api_gateway:degraded cache:degraded database:offline",
        SERVICES,
        &[
            "fail-over:database <- service_status.database",
            "roll-back:api_gateway <- error_rate service_status.api_gateway",
            "restart:cache <- service_status.cache",
        ],
    );
    check(
        "temperature_celsius=84 power_consumption_watts=356 active_connections=126 thread_count=190 io_wait=12",
        SERVICES,
        &[
            "cache-reads:database <- io_wait",
            "resize-pool:database <- active_connections thread_count",
            "improve-cooling:api_gateway <- temperature_celsius power_consumption_watts",
        ],
    );
}

#[test]
fn one_cause_means_the_same_time() {
    let apart = "scale-out:api_gateway <- cpu_usage";
    check("cpu_usage=93~1-4 latency_ms=334~4-9", SERVICES, &["scale-out:api_gateway <- latency_ms cpu_usage"]);
    check("cpu_usage=93~4-4 latency_ms=334~2-9", SERVICES, &["scale-out:api_gateway <- latency_ms cpu_usage"]);
    check("cpu_usage=93~1-4 latency_ms=334~5-9", SERVICES, &["add-cache:api_gateway <- latency_ms", apart]);
    check("cpu_usage=93~5-9 latency_ms=334~1-4", SERVICES, &["add-cache:api_gateway <- latency_ms", apart]);
    // What one action leaves another may cover: threads of the time of the connections.
    check(
        "cpu_usage=93~1-4 thread_count=190~6-8 active_connections=126~5-6 latency_ms=250~3-3",
        SERVICES,
        &["scale-out:api_gateway <- cpu_usage latency_ms", "resize-pool:database <- active_connections thread_count"],
    );
    // Hosts are apart anyway.
    check(
        "cpu_usage=93~1-4@a latency_ms=334~1-4@b",
        SERVICES,
        &["add-cache:api_gateway@b <- latency_ms@b", "scale-out:a <- cpu_usage@a"],
    );
}

#[test]
fn errors_point_at_the_service_that_was_not_online_then() {
    let services = "api_gateway:online:offline cache:degraded:degraded database:online:online";
    // A service that another action has answered is still where the errors come from.
    check(
        "error_rate=0.12~20-22 api_gateway:offline~20-23 cache:degraded~30-31",
        services,
        &[
            "roll-back:api_gateway <- error_rate",
            "fail-over:api_gateway <- service_status.api_gateway",
            "restart:cache <- service_status.cache",
        ],
    );
    check(
        "error_rate=0.12~20-22 cache:offline~20-23 database:degraded~21-21",
        "cache:online:offline database:online:degraded",
        &[
            "roll-back:cache <- error_rate",
            "fail-over:cache <- service_status.cache",
            "restart:database <- service_status.database",
        ],
    );
    // `prefer` decides among those of the time only.
    check(
        "error_rate=0.12~20-22 cache:degraded~20-20 api_gateway:degraded~1-2",
        SERVICES,
        &["roll-back:cache <- error_rate service_status.cache", "restart:api_gateway <- service_status.api_gateway"],
    );
    check(
        "error_rate=0.12~20-22 cache:degraded~1-2",
        SERVICES,
        &["roll-back:api_gateway <- error_rate", "restart:cache <- service_status.cache"],
    );
    let decided = decide(&planner(Language::En), &anomalies("error_rate=0.12~20-22 cache:offline~22-23", SERVICES));
    assert!(decided[0].words.action.ends_with("Over an overlapping period, the cache service was at worst offline."));
    // Any action looks at the time before it looks at the status.
    check(
        "power_consumption_watts=420~5-6 store:degraded~5-5 db:offline~1-2",
        "db:offline:offline store:online:degraded",
        &[
            "cap-power:store <- power_consumption_watts",
            "fail-over:db <- service_status.db",
            "restart:store <- service_status.store",
        ],
    );
}

#[test]
fn triggers_of_different_times_are_answered_one_by_one() {
    let general = r#"
        [[actions]]
        id = "look"
        trigger = ["a", "b"]
        target = "host"
        parameters.peak = { formula = "a.value", meaning = { en = "peak", fr = "pic" } }
        en = { action = "Look at {target}.", benefit_estimate = "None.", no_estimate = "None." }
        fr = { action = "Voir {target}.", benefit_estimate = "Aucun.", no_estimate = "Aucun." }
    "#;
    let (_, rest) = PLAYBOOK.split_once("# --- Whatever is left").unwrap();
    let (_, last) = rest.split_once('\n').unwrap();
    let planner = build(&format!("{general}\n{last}"), "", Language::En).unwrap();
    assert_eq!(ids(&decide(&planner, &anomalies("a=31~1-5 b=31~5-9", SERVICES))), ["look:api_gateway"]);
    let apart = decide(&planner, &anomalies("a=31~1-4 b=31~5-9", SERVICES));
    assert_eq!(ids(&apart), ["look:api_gateway", "look:api_gateway#2"]);
}

#[test]
fn other_names_of_words_go_along() {
    let others = |text: &str, services: &str| -> Vec<String> {
        let decided = decide(&planner(Language::En), &anomalies(text, services));
        decided.into_iter().map(|r| format!("{}: {}", r.id, r.others.join(" "))).collect()
    };
    assert_eq!(
        others("cpu_usage=93 cache:degraded", "Payments:online:online cache:online:degraded db2:online:online"),
        ["scale-out:cache: payments service_status", "restart:cache: cpu_usage payments"]
    );
    assert_eq!(
        others("load=31@alpha cpu_usage=93@web cache:degraded@web", "cache:online:online orders:online:online"),
        [
            "scale-out:web: alpha cache load orders service_status",
            "investigate.load:alpha: cache cpu_usage orders service_status web",
            "restart:cache@web: alpha cpu_usage load orders",
        ]
    );
    assert_eq!(others("cpu_usage=93", "api_gateway:online:online cache-1:online:online"), ["scale-out:api_gateway: "]);
    // As many as a recommendation may carry.
    let name = |i: u8| format!("{}{}:online:online", char::from(b'a' + i / 26), char::from(b'a' + i % 26));
    let many: Vec<String> = (0..=u8::MAX).map(name).collect();
    let decided = decide(&planner(Language::En), &anomalies("cpu_usage=93@web-1", &many.join(" ")));
    assert_eq!(decided[0].others.len(), 50);
    assert_eq!(decided[0].others[..3], ["aa", "ab", "ac"]);
}

#[test]
fn each_host_has_its_own() {
    check(
        "cpu_usage=93@web-2 latency_ms=250@web-2 cpu_usage=91@web-1 error_rate=0.2@web-1 cache:offline@web-1",
        SERVICES,
        &[
            "roll-back:cache@web-1 <- error_rate@web-1",
            "scale-out:web-2 <- cpu_usage@web-2 latency_ms@web-2",
            "scale-out:web-1 <- cpu_usage@web-1",
            "fail-over:cache@web-1 <- service_status.cache@web-1",
        ],
    );
    let decided = decide(&planner(Language::En), &anomalies("error_rate=0.2@web-1", SERVICES));
    assert_eq!(decided[0].parameters["host"], Parameter::Text("web-1".into()));
    assert!(decided[0].words.action.contains("web-1"), "{}", decided[0].words.action);
    assert!(
        !decide(&planner(Language::En), &anomalies("cpu_usage=93@web-1", SERVICES))[0].parameters.contains_key("host")
    );
}

#[test]
fn targets_are_hosts_or_services_of_the_input() {
    check("error_rate=0.2@web-1", "", &["roll-back:web-1 <- error_rate@web-1"]);
    check("cpu_usage=93", "", &["scale-out:host <- cpu_usage"]);
    check("cpu_usage=93", "db:online:online store:online:online", &["scale-out:db <- cpu_usage"]);
    check("cpu_usage=93", "db:online:online store:online:offline", &["scale-out:store <- cpu_usage"]);
    check("cpu_usage=93", "db:degraded:degraded store:online:offline", &["scale-out:db <- cpu_usage"]);
    check("cpu_usage=93", "web:online:online db:offline:offline", &["scale-out:web <- cpu_usage"]);
    check("power_consumption_watts=420@rack-7", SERVICES, &["cap-power:rack-7 <- power_consumption_watts@rack-7"]);
}

#[test]
fn what_no_action_covers_is_not_lost() {
    check(
        "queue_depth=31 gpu_usage=20 memory_usage=90",
        SERVICES,
        &[
            "investigate.queue_depth:api_gateway <- queue_depth",
            "raise-memory-limit:cache <- memory_usage",
            "investigate.gpu_usage:api_gateway <- gpu_usage",
        ],
    );
    check("x=31@a b=31@a", "", &["investigate.b:a <- b@a", "investigate.x:a <- x@a"]);
}

#[test]
fn ranks_by_severity_excess_and_number() {
    check(
        "memory_usage=80 disk_usage=96 io_wait=16 cpu_usage=81 latency_ms=201",
        SERVICES,
        &[
            "cache-reads:database <- io_wait",
            "expand-storage:database <- disk_usage",
            "scale-out:api_gateway <- cpu_usage latency_ms",
            "raise-memory-limit:cache <- memory_usage",
        ],
    );
    // Equal severity and excess: more anomalies first, then the playbook's order.
    check(
        "disk_usage=75 memory_usage=75 temperature_celsius=70 power_consumption_watts=300",
        SERVICES,
        &[
            "improve-cooling:api_gateway <- power_consumption_watts temperature_celsius",
            "raise-memory-limit:cache <- memory_usage",
            "expand-storage:database <- disk_usage",
        ],
    );
}

#[test]
fn no_two_ids_are_equal() {
    let named = |service: &str, entity: Option<&str>| Anomaly {
        service: Some(service.into()),
        entity: entity.map(Into::into),
        ..anomaly("s:offline")
    };
    let decided = decide(&planner(Language::En), &[named("a", Some("b")), named("a@b", None)]);
    assert_eq!(ids(&decided), ["fail-over:a@b", "fail-over:a@b#2"]);
}
