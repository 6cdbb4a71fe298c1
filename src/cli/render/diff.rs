//! What changed between two runs: causes first, then what followed.

use super::text::{counted, labelled};
use super::{Style, safe};
use crate::cli::diff::outcome::{
    AnomalyChange, Causes, Change, DataChange, Difference, Effects, IncidentState, Level, NodeChange, Presence,
    RecommendationChange, Setting, Side, Turn,
};
use crate::domain::{Figure, ModelIdentity, Parameter, RunStatus};

/// Lines of a file's difference that are shown; JSON has them all.
const LINES: usize = 40;
const LABEL: usize = 16;

pub fn diff(difference: &Difference, style: Style) -> String {
    let bold = |label: &str| (!label.is_empty()).then(|| anstyle::Style::new().bold());
    let rows = |rows: Vec<(&'static str, String)>| labelled(rows, LABEL, style, bold);
    let mut printed = rows(vec![("Before", side(&difference.before)), ("After", side(&difference.after))]);
    printed.push('\n');
    if difference.same {
        let one = difference.before.run == difference.after.run;
        printed.push_str(if one { "It is the same run.\n" } else { "The same went in, and the same came out.\n" });
        return printed;
    }
    printed.push_str(&style.bold("What went in"));
    printed.push('\n');
    printed.push_str(&rows(causes(&difference.causes)));
    printed.push('\n');
    printed.push_str(&style.bold("What came out"));
    printed.push('\n');
    printed.push_str(&rows(effects(&difference.effects)));
    printed
}

fn side(side: &Side) -> String {
    let status = match side.status {
        RunStatus::Running => "not ended",
        RunStatus::Done => "done",
        RunStatus::Failed => "failed",
    };
    let window = side.window.map(|start| format!(", window of {start}")).unwrap_or_default();
    format!("{}  {}, {status}{window}", safe(&side.run), safe(&side.graph))
}

fn causes(causes: &Causes) -> Vec<(&'static str, String)> {
    if causes.is_empty() {
        return vec![("the same", "data, rules, prompt, model".to_string())];
    }
    let mut rows = Vec::new();
    let mut add = |label: &'static str, lines: Vec<String>| {
        let text = if lines.is_empty() { "the same".to_string() } else { lines.join("\n") };
        rows.push((label, text));
    };
    add("Data", causes.data.iter().flat_map(data).collect());
    add("Rules", causes.rules.iter().flat_map(node).collect());
    add("Prompt", causes.prompt.iter().flat_map(node).collect());
    add("Model", causes.model.iter().map(model).collect());
    for (label, lines) in [
        ("Output", causes.output.iter().flat_map(node).collect::<Vec<_>>()),
        ("Graph", causes.graph.iter().map(setting).collect()),
        ("Program", causes.program.iter().map(program).collect()),
    ] {
        if !lines.is_empty() {
            add(label, lines);
        }
    }
    rows
}

fn data(change: &DataChange) -> Vec<String> {
    let mut lines = vec![format!("{}{}", safe(&change.node), presence(change.what))];
    lines.extend(change.figures.iter().chain(&change.settings).map(|s| format!("  {}", setting(s))));
    if change.values {
        lines.push("  other values, in as many records".to_string());
    }
    lines
}

fn node(change: &NodeChange) -> Vec<String> {
    let mut lines = vec![format!("{}{}", safe(&change.node), presence(change.what))];
    lines.extend(change.settings.iter().map(|s| format!("  {}", setting(s))));
    if change.unseen {
        lines.push("  its config or kind differs; the texts to say how are not kept".to_string());
    }
    for file in &change.files {
        let names = [&file.before, &file.after].map(|name| safe(name.as_deref().unwrap_or("none")).into_owned());
        let [before, after] = &names;
        lines.push(if before == after { format!("  {before}") } else { format!("  {before} → {after}") });
        let Some(text) = &file.text else {
            lines.push("    the texts are not kept any more".to_string());
            continue;
        };
        let shown = text.lines().filter(|line| !line.trim().is_empty());
        lines.extend(shown.clone().take(LINES).map(|line| format!("    {}", safe(line))));
        if let Some(more) = shown.count().checked_sub(LINES).filter(|more| *more > 0) {
            lines.push(format!("    and {} more", counted(more as u64, "line")));
        }
    }
    lines
}

fn presence(what: Presence) -> &'static str {
    match what {
        Presence::Added => ": only after",
        Presence::Removed => ": only before",
        Presence::Changed => "",
    }
}

fn setting(setting: &Setting) -> String {
    let value = |value: &Option<String>| safe(value.as_deref().unwrap_or("none")).into_owned();
    format!("{}: {} → {}", safe(&setting.key), value(&setting.before), value(&setting.after))
}

fn model(change: &Change<Option<ModelIdentity>>) -> String {
    let same_name = match (&change.before, &change.after) {
        (Some(a), Some(b)) => (&a.provider, &a.model) == (&b.provider, &b.model),
        _ => false,
    };
    let name = |identity: &Option<ModelIdentity>| match identity {
        None => "none".to_string(),
        Some(of) if same_name => format!("{} ({}) at {}", safe(&of.model), safe(&of.provider), safe(&of.base_url)),
        Some(of) => format!("{} ({})", safe(&of.model), safe(&of.provider)),
    };
    format!("{} → {}", name(&change.before), name(&change.after))
}

fn program(change: &Change<String>) -> String {
    let version = |text: &str| if text.is_empty() { "unknown".to_string() } else { safe(text).into_owned() };
    format!("{} → {}", version(&change.before), version(&change.after))
}

fn effects(effects: &Effects) -> Vec<(&'static str, String)> {
    if effects.is_empty() {
        return vec![("the same", "insights, anomalies, incidents, recommendations, wording, services".to_string())];
    }
    let mut rows: Vec<(&'static str, String)> = Vec::new();
    let mut add = |label: &'static str, lines: Vec<String>| {
        if !lines.is_empty() {
            rows.push((label, lines.join("\n")));
        }
    };
    add("Report", effects.unknown.iter().map(|why| safe(why).into_owned()).collect());
    add("Timestamp", effects.timestamp.iter().map(|c| format!("{} → {}", c.before, c.after)).collect());
    let figure = |figure: Option<Figure>| figure.map_or("none".to_string(), |figure| figure.to_string());
    let insight = effects.insights.iter();
    add(
        "Insights",
        insight.map(|c| format!("{}: {} → {}", safe(&c.insight), figure(c.before), figure(c.after))).collect(),
    );
    add("Anomalies", effects.anomalies.iter().map(anomaly).collect());
    let incidents = effects.incidents.iter();
    add(
        "Incidents",
        incidents
            .map(|c| line(c.what, &c.incident, c.before.as_ref().map(state), c.after.as_ref().map(state)))
            .collect(),
    );
    add("Recommendations", effects.recommendations.iter().map(recommendation).collect());
    let wording = effects.wording.chunk_by(|a, b| a.recommendation == b.recommendation).flat_map(|sentences| {
        let head = sentences.first().map(|c| format!("{}: {}", safe(&c.recommendation), safe(&c.because)));
        let lines =
            sentences.iter().flat_map(|c| [format!("  - {}", safe(&c.before)), format!("  + {}", safe(&c.after))]);
        head.into_iter().chain(lines)
    });
    add("Wording", wording.collect());
    add("Services", effects.statuses.iter().map(setting).collect());
    add("Order", effects.reordered.iter().map(|what| format!("the {what} come in another order")).collect());
    rows
}

fn anomaly(change: &AnomalyChange) -> String {
    let level = |level: Level| format!("{} {} (threshold {})", level.severity.word(), level.value, level.threshold);
    line(change.what, &change.anomaly, change.before.map(level), change.after.map(level))
}

fn state(state: &IncidentState) -> String {
    let anomalies = match state.anomalies.len() {
        1 => "1 anomaly".to_string(),
        many => format!("{many} anomalies"),
    };
    format!("{} {} until {}", anomalies, state.severity.word(), state.until)
}

fn line(what: Turn, name: &str, before: Option<String>, after: Option<String>) -> String {
    let states: Vec<String> = before.into_iter().chain(after).collect();
    format!("{:<8} {}: {}", what.word(), safe(name), safe(&states.join(" → ")))
}

fn recommendation(change: &RecommendationChange) -> String {
    let word = match change.what {
        Presence::Added => "added",
        Presence::Removed => "removed",
        Presence::Changed => "changed",
    };
    let parameter = |value: &Option<Parameter>| match value {
        None => "none".to_string(),
        Some(Parameter::Number(number)) => number.to_string(),
        Some(Parameter::Flag(flag)) => flag.to_string(),
        Some(Parameter::Text(text)) => safe(text).into_owned(),
    };
    let target = change.target.iter().map(|c| format!("target {} → {}", safe(&c.before), safe(&c.after)));
    let parameters = change
        .parameters
        .iter()
        .map(|(k, c)| format!("{} {} → {}", safe(k), parameter(&c.before), parameter(&c.after)));
    let changes: Vec<String> = target.chain(parameters).collect();
    let colon = if changes.is_empty() { "" } else { ": " };
    format!("{word:<8} {}{colon}{}", safe(&change.recommendation), changes.join(", "))
}
