//! A graph whose sources are those of the history, and what is read through it.

use std::io::{BufWriter, IsTerminal};
use std::path::Path;
use std::time::Duration;

use super::outcome::{Backtest, ChosenBy, RuleFirings};
use super::tally::Tally;
use super::{BacktestArguments, finders, panels, rules_of, scores, usage};
use crate::cli::execute::fault;
use crate::cli::exit::Failure;
use crate::cli::load;
use crate::cli::progress::Progress;
use crate::cli::render::chart;
use crate::cli::run::{absolute, nodes_with, override_of};
use crate::detect::{Rule, SERVICE_STATUS};
use crate::diagnostic::{Diagnostic, SourceFile, codes};
use crate::domain::{Anomaly, Completeness, Span, Wait};
use crate::engine::{Given, History, Seen, Steps, history, survey};
use crate::graph::{Compiled, Override, Windowing, outline};
use crate::io::files::read_text;
use crate::io::ingest::file::IngestFile;
use crate::io::llm::Environment;
use crate::node::{AnySource, Role, Source, Wanted};

/// A graph whose sources are those of the history.
pub struct Graph {
    pub compiled: Compiled,
    progress: Progress,
}

impl Graph {
    /// With other `rules`, where they are given.
    pub fn load(
        arguments: &BacktestArguments,
        environment: &Environment,
        rules: Option<&Path>,
    ) -> Result<Graph, Failure> {
        let path = &arguments.graph;
        let source = load::read(path)?;
        let nodes = outline(&source);
        let mut texts = arguments.set.clone();
        let input = arguments.input.as_deref();
        if input.is_some_and(str::is_empty) {
            return Err(usage("--input needs a path, and it is empty", "write the path of the history"));
        }
        if let Some(rules) = rules {
            readable(rules)?;
        }
        let sources = nodes_with(&nodes, Role::Source, None);
        let reads_files = |node: &String| nodes.iter().any(|(name, kind)| name == node && kind == IngestFile::KIND);
        let stand_in = input.filter(|_| matches!(&sources[..], [one] if !reads_files(one)));
        let parse = |texts: &[String]| texts.iter().map(|text| Override::parse(text)).collect::<Result<Vec<_>, _>>();
        let file = input.filter(|_| stand_in.is_none());
        match overrides(&nodes, file, rules) {
            Ok(more) => texts.extend(more),
            // What is wrong with the graph comes first: it may be why the flag fits no node.
            Err(usage) => {
                let sets = parse(&texts).map_err(Failure::usage)?;
                load::compiled(path, &source, &sets, environment)?;
                return Err(usage);
            }
        }
        let sets = parse(&texts).map_err(Failure::usage)?;
        let mut compiled = load::compiled(path, &source, &sets, environment)?;
        if let (Some(history), Some(live)) = (stand_in, compiled.stream.sources.first_mut()) {
            live.source = file_source(path, history, environment)?;
        }
        let draws = std::io::stderr().is_terminal();
        let finders = finders(&compiled.plan);
        compiled.stream.sinks.clear();
        compiled.stream.folds.retain(|fold| finders.iter().any(|(node, _)| *node == fold.node));
        Ok(Graph { compiled, progress: Progress::new(draws) })
    }

    /// Refuses a source that never ends, and one that can be read only once where it has to be read again.
    pub fn check_reads(&self, arguments: &BacktestArguments) -> Result<(), Failure> {
        let Compiled { plan, stream } = &self.compiled;
        for source in &stream.sources {
            let name = plan.nodes.get(source.node).map_or("", |node| node.name.as_str());
            if source.source.is_live() {
                let message = format!("`{name}` is a live source, and a backtest needs history that ends");
                return Err(usage(
                    message,
                    "give the history with --input, or with `--set` where there are several sources",
                ));
            }
            let twice = [
                ("--compare has", arguments.compare.is_some()),
                ("--chart has", arguments.chart.is_some()),
                ("--scores has", arguments.scores.is_some()),
                ("a graph without [window] needs --every or has", plan.window.is_none() && arguments.every.is_none()),
            ];
            let asked = twice.iter().find(|(_, asked)| *asked && !source.source.can_be_reread());
            if let Some((what, _)) = asked {
                let message = format!("{what} to read the history twice, and `{name}` can be read only once");
                return Err(usage(message, "write the history to a file, and give that with --input"));
            }
        }
        Ok(())
    }

    /// The windows, and who chose them.
    pub fn windowing(&self, arguments: &BacktestArguments) -> Result<(Windowing, ChosenBy), Failure> {
        let Compiled { plan, stream } = &self.compiled;
        let by_flag = |windowing: Windowing| match arguments.every {
            Some(every) => (Windowing { every, ..windowing }, ChosenBy::Flag),
            None => (windowing, ChosenBy::Graph),
        };
        if let Some(windowing) = plan.window.clone() {
            return Ok(by_flag(windowing));
        }
        let nothing = Wait(Duration::ZERO);
        let whole =
            |every, grace| Windowing { every: Span(every), grace, max_lateness: nothing, idle: None, max_ahead: None };
        // What cannot be read twice keeps all windows open to its end.
        let forever = Wait(Duration::from_micros(i64::MAX as u64));
        if !stream.sources.iter().all(|source| source.source.can_be_reread()) {
            return Ok(by_flag(whole(Duration::from_secs(1), forever)));
        }
        let read = survey(plan, stream, (&Wanted::default(), false), &self.progress, &mut |_, _| {});
        let read = read.map_err(|fault| Failure::run(*fault))?;
        let grace = Wait(Duration::from_micros(read.disorder.unsigned_abs()));
        let chosen = whole(every_for(&read.steps), grace);
        Ok(match by_flag(chosen) {
            (windowing, ChosenBy::Graph) => (windowing, ChosenBy::Data),
            other => other,
        })
    }

    /// Reads the history through the folds.
    pub fn run(&mut self, windowing: &Windowing) -> Result<(History, Vec<RuleFirings>), Failure> {
        let Compiled { plan, stream } = &mut self.compiled;
        let finders = finders(plan);
        let mut tally = Tally::default();
        for (node, rules) in rules_of(plan) {
            for rule in rules.metrics() {
                tally.expect((node.clone(), rule.name()), rule.hours.clone());
            }
            let status = rules.status().lowest().map(|_| SERVICE_STATUS.to_string());
            let of_services = status.into_iter().chain(rules.flapping().map(Rule::name));
            of_services.for_each(|rule| tally.expect((node.clone(), rule), None));
            tally.pause(node, rules.maintenance().to_vec());
        }
        let mut broken = None;
        let read = history(plan, stream, windowing, &self.progress, &mut |seen| match seen {
            Seen::Batch(batch) => tally.hear(batch),
            Seen::Window(span, given) => {
                for Given { node, value, notes } in given {
                    let is_it = |(at, _): &&(usize, bool)| plan.nodes.get(*at).is_some_and(|n| n.name == node);
                    let Some((_, is_list)) = finders.iter().find(is_it) else { continue };
                    let found = match is_list {
                        true => serde_json::from_str::<Vec<Anomaly>>(value.get()),
                        false => serde_json::from_str::<Completeness>(value.get()).map(|value| value.anomalies),
                    };
                    tally.judge(&node, &notes);
                    match found {
                        Ok(anomalies) => tally.take(&node, anomalies, span),
                        Err(error) => {
                            broken = Some(format!("a value of `{node}` cannot be read, which is a bug: {error}"))
                        }
                    }
                }
            }
        });
        self.progress.finish();
        let done = read.map_err(|fault| Failure::run(*fault))?;
        match broken {
            Some(why) => Err(fault(why)),
            None => {
                let rules = tally.finish(done.covered.unwrap_or_default());
                Ok((done, rules))
            }
        }
    }

    /// Draws the series that fired longest.
    pub fn draw(&self, found: &Backtest, covered: (i64, i64), path: &Path) -> Result<(), Failure> {
        let Compiled { plan, stream } = &self.compiled;
        let mut panels = panels::worst(found);
        let wanted = panels::wanted(&panels);
        let read = survey(plan, stream, (&wanted, false), &self.progress, &mut |batch, _| {
            panels.iter_mut().for_each(|panel| panel.take(batch, covered));
        });
        read.map_err(|fault| Failure::run(*fault))?;
        let panels: Vec<chart::Panel> = panels.into_iter().map(|panel| panel.panel(covered)).collect();
        let title = format!("{}: {} to {}", found.graph, found.from, found.to);
        std::fs::write(path, chart::chart(&title, &panels, covered)).map_err(|error| unwritable(path, &error))
    }

    /// Writes the score of each reading.
    pub fn score(
        &self,
        path: &Path,
        metric: String,
        scorer: Box<dyn scores::Scorer>,
        entity: bool,
    ) -> Result<(), Failure> {
        let Compiled { plan, stream } = &self.compiled;
        let wanted = Wanted { metrics: [metric.clone()].into() };
        let failed = |error: std::io::Error| unwritable(path, &error);
        let file = std::fs::File::create(path).map_err(failed)?;
        let mut scores = scores::Scores::new(BufWriter::new(file), metric, scorer, entity).map_err(failed)?;
        let mut written = Ok(());
        let read = survey(plan, stream, (&wanted, true), &self.progress, &mut |batch, rejected| {
            if written.is_ok() {
                written = scores.take(batch, rejected);
            }
        });
        read.map_err(|fault| Failure::run(*fault))?;
        written.and_then(|()| scores.finish()).map_err(failed)
    }
}

/// What `--compare` names is no file of the graph, so the graph is not where to look for what is wrong with it.
fn readable(rules: &Path) -> Result<(), Failure> {
    let unreadable = |why| {
        let message = format!("cannot read `{}`, the rules of --compare: {why}", rules.display());
        let help = "give the path of a rules file; it is relative to the folder that you are in";
        Failure::config(vec![Diagnostic::new(codes::graph::UNREADABLE, message).help(help)])
    };
    read_text(rules).map(drop).map_err(unreadable)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot write `{}`: {error}", path.display());
    let help = "check the folder, its permissions and the space on its disk";
    Failure::run(Diagnostic::new(codes::output::UNWRITABLE, message).help(help))
}

/// Windows of a history at most, where nobody says how long they are.
const WINDOWS: u128 = 50_000;

/// The greatest round length that is no longer than records usually are apart, so that episodes begin and end where they do
/// and none are taken for one; longer where there would be too many windows. A hole in the history changes neither.
fn every_for(steps: &Steps) -> Duration {
    const SECOND: u64 = 1_000_000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const ROUND: [u64; 17] = [
        SECOND,
        5 * SECOND,
        10 * SECOND,
        30 * SECOND,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        30 * DAY,
        365 * DAY,
        36_500 * DAY,
    ];
    let usual = steps.usual().unwrap_or_default();
    // Beyond a day only where there would be too many.
    let fits = ROUND.into_iter().filter(|length| u128::from(*length) <= usual && *length <= DAY).max();
    let few = |length: &u64| steps.windows(u128::from(*length)) <= WINDOWS;
    let few_enough = ROUND.into_iter().find(few).unwrap_or(36_500 * DAY);
    Duration::from_micros(fits.unwrap_or(SECOND).max(few_enough))
}

/// What `--input` and `--compare` override.
fn overrides(nodes: &[(String, String)], input: Option<&str>, rules: Option<&Path>) -> Result<Vec<String>, Failure> {
    let mut texts = Vec::new();
    if let Some(path) = input {
        let of_files = nodes_with(nodes, Role::Source, Some("path"));
        texts.push(override_of("--input", "ingest", "path", &of_files, path)?);
        texts.extend(of_files.first().map(|node| format!("{node}.follow=false")));
    }
    if let Some(rules) = rules {
        let of_rules = nodes_with(nodes, Role::Fold, Some("rules"));
        texts.push(override_of("--compare", "detect", "rules", &of_rules, &absolute(rules))?);
    }
    Ok(texts)
}

/// A source that reads the history, for a graph whose own reads no file.
fn file_source(graph: &Path, history: &str, environment: &Environment) -> Result<Box<dyn AnySource>, Failure> {
    let set = override_of("--input", "ingest", "path", &["history".to_string()], history)?;
    let path = set.split_once('=').map_or("", |(_, path)| path);
    let text = format!("[nodes.history]\nkind = {:?}\npath = {path}\n", IngestFile::KIND);
    let file = load::compiled(graph, &SourceFile::new("--input", text), &[], environment)?;
    let source = file.stream.sources.into_iter().next().map(|source| source.source);
    source.ok_or_else(|| fault("a graph of one source has none, which is a bug".to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_as_long_as_records_usually_are_apart() {
        let check = |steps: &[(f64, usize)], seconds: u64| {
            let mut all = Steps::default();
            for (length, times) in steps {
                (0..*times).for_each(|_| all.add((length * 1e6) as u64));
            }
            assert_eq!(every_for(&all).as_secs(), seconds, "{steps:?}");
        };
        check(&[], 1);
        check(&[(1800.0, 499)], 1800);
        check(&[(600.0, 59)], 600);
        check(&[(599.0, 59)], 300); // never longer
        check(&[(60.0, 20_160)], 60);
        check(&[(0.1, 1_200_000)], 5); // ten a second, in 50,000 windows
        check(&[(60.0, 500), (86_400.0 * 365.0 * 50.0, 1)], 60); // a clock that once was wrong
        check(&[(1.0, 200_000), (86_400.0 * 30.0, 2)], 5);
        check(&[(86_400.0 * 7.0, 60_000)], 30 * 86_400);
    }
}
