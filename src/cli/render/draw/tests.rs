use super::*;

fn drawing(nodes: &[(&str, &str, DrawnRole, bool)], edges: &[(&str, &str, &str)]) -> Drawing {
    let at = |name: &str| nodes.iter().position(|n| n.0 == name).unwrap();
    Drawing {
        name: "test".into(),
        nodes: nodes
            .iter()
            .map(|(name, kind, role, each)| DrawnNode {
                name: name.to_string(),
                kind: kind.to_string(),
                role: *role,
                each: *each,
            })
            .collect(),
        edges: edges.iter().map(|(from, to, port)| (at(from), at(to), port.to_string())).collect(),
    }
}

fn default_graph() -> Drawing {
    use DrawnRole::{Fold, Source, Task};
    drawing(
        &[
            ("telemetry", "ingest.file", Source, false),
            ("insights", "insights", Fold, false),
            ("anomalies", "detect", Fold, false),
            ("plan", "plan", Task, false),
            ("wording", "draft", Task, true),
            ("recommendations", "validate", Task, true),
            ("report", "merge", Task, false),
            ("output", "output.file", Task, false),
        ],
        &[
            ("telemetry", "insights", "telemetry"),
            ("telemetry", "anomalies", "telemetry"),
            ("anomalies", "plan", "anomalies"),
            ("plan", "wording", "recommendation"),
            ("wording", "recommendations", "draft"),
            ("insights", "report", "summary"),
            ("anomalies", "report", "anomalies"),
            ("recommendations", "report", "recommendations"),
            ("report", "output", "report"),
        ],
    )
}

fn tasks(names: &[&'static str], edges: &[(&str, &str)]) -> Drawing {
    let nodes: Vec<_> = names.iter().map(|name| (*name, "k", DrawnRole::Task, false)).collect();
    let edges: Vec<_> = edges.iter().map(|(from, to)| (*from, *to, "")).collect();
    drawing(&nodes, &edges)
}

#[test]
fn mermaid_of_the_default_graph() {
    insta::assert_snapshot!(mermaid(&default_graph()), @r#"
    ---
    title: "test"
    ---
    flowchart TD
        n0(["telemetry<br/>ingest.file"])
        n1[["insights<br/>insights"]]
        n2[["anomalies<br/>detect"]]
        n3["plan<br/>plan"]
        n4["wording<br/>draft (each)"]
        n5["recommendations<br/>validate (each)"]
        n6["report<br/>merge"]
        n7["output<br/>output.file"]
        n0 -->|"telemetry"| n1
        n0 -->|"telemetry"| n2
        n2 -->|"anomalies"| n3
        n3 -->|"recommendation"| n4
        n4 -->|"draft"| n5
        n1 -->|"summary"| n6
        n2 -->|"anomalies"| n6
        n5 -->|"recommendations"| n6
        n6 -->|"report"| n7
    "#);
}

#[test]
fn dot_of_the_default_graph() {
    insta::assert_snapshot!(dot(&default_graph()), @r#"
    digraph "test" {
        node [shape=box];
        n0 [label="telemetry\ningest.file", shape=oval];
        n1 [label="insights\ninsights", peripheries=2];
        n2 [label="anomalies\ndetect", peripheries=2];
        n3 [label="plan\nplan"];
        n4 [label="wording\ndraft (each)"];
        n5 [label="recommendations\nvalidate (each)"];
        n6 [label="report\nmerge"];
        n7 [label="output\noutput.file"];
        n0 -> n1 [label="telemetry"];
        n0 -> n2 [label="telemetry"];
        n2 -> n3 [label="anomalies"];
        n3 -> n4 [label="recommendation"];
        n4 -> n5 [label="draft"];
        n1 -> n6 [label="summary"];
        n2 -> n6 [label="anomalies"];
        n5 -> n6 [label="recommendations"];
        n6 -> n7 [label="report"];
    }
    "#);
}

#[test]
fn ascii_of_the_default_graph() {
    insta::assert_snapshot!(ascii(&default_graph()), @r#"
    test

            ┌─────────────┐
            │ telemetry   │
            │ ingest.file │
            └──────┬──────┘
            ┌──────┴───────┐
            ▼              ▼
      ┌──────────┐   ┌───────────┐
      │ insights │   │ anomalies │
      │ insights │   │ detect    │
      └─────┬────┘   └─────┬─────┘
          ┌─┘              ├────┐
          │                ▼    │
          │          ┌──────┐   │
          │          │ plan │   │
          │          │ plan │   │
          │          └───┬──┘   │
          │              │      └──┐
          │              ▼         │
          │     ┌──────────────┐   │
          │     │ wording      │   │
          │     │ draft (each) │   │
          │     └───────┬──────┘   │
          │             │          └─┐
          │             ▼            │
          │    ┌─────────────────┐   │
          │    │ recommendations │   │
          │    │ validate (each) │   │
          │    └────────┬────────┘   │
          └──────────┐  │┌───────────┘
                     ▼  ▼▼
                  ┌────────┐
                  │ report │
                  │ merge  │
                  └────┬───┘
                       ▼
                ┌─────────────┐
                │ output      │
                │ output.file │
                └─────────────┘
    "#);
}

#[test]
fn a_chain_is_straight() {
    insta::assert_snapshot!(ascii(&tasks(&["a", "bcd", "e"], &[("a", "bcd"), ("bcd", "e")])), @r#"
    test

     ┌───┐
     │ a │
     │ k │
     └─┬─┘
       ▼
    ┌─────┐
    │ bcd │
    │ k   │
    └──┬──┘
       ▼
     ┌───┐
     │ e │
     │ k │
     └───┘
    "#);
}

#[test]
fn a_diamond() {
    let edges = [("top", "left"), ("top", "right"), ("left", "bottom"), ("right", "bottom")];
    insta::assert_snapshot!(ascii(&tasks(&["top", "left", "right", "bottom"], &edges)), @r#"
    test

          ┌─────┐
          │ top │
          │ k   │
          └──┬──┘
        ┌────┴─────┐
        ▼          ▼
    ┌──────┐   ┌───────┐
    │ left │   │ right │
    │ k    │   │ k     │
    └───┬──┘   └───┬───┘
        └───┐ ┌────┘
            ▼ ▼
        ┌────────┐
        │ bottom │
        │ k      │
        └────────┘
    "#);
}

#[test]
fn lines_that_cross_do_not_seem_to_meet() {
    let edges = [("a", "x"), ("a", "z"), ("b", "y"), ("b", "x"), ("c", "z"), ("c", "y")];
    insta::assert_snapshot!(ascii(&tasks(&["a", "b", "c", "x", "y", "z"], &edges)), @r#"
    test

       ┌───┐   ┌───┐   ┌───┐
       │ a │   │ b │   │ c │
       │ k │   │ k │   │ k │
       └─┬─┘   └─┬─┘   └─┬─┘
      ┌──┴──────┐│┌──────┴──┐
      │ ┌───────│┴│───────┐ │
      ▼ ▼       ▼ ▼       ▼ ▼
    ┌─────┐   ┌─────┐   ┌─────┐
    │ x   │   │ z   │   │ y   │
    │ k   │   │ k   │   │ k   │
    └─────┘   └─────┘   └─────┘
    "#);
}

#[test]
fn names_cannot_leave_their_place() {
    let evil = "a\"];\n\\ `*<b>#\u{1b}[31m|";
    let mut drawing = tasks(&["a", "b"], &[("a", "b")]);
    drawing.name = evil.into();
    drawing.nodes[0].name = evil.into();
    drawing.nodes[1].name = "日本".into();
    drawing.edges[0].2 = evil.into();
    insta::assert_snapshot!(format!("{}{}{}", mermaid(&drawing), dot(&drawing), ascii(&drawing)), @r#"
    ---
    title: "a\"];\\n\\ `*<b>#\\u{1b}[31m|"
    ---
    flowchart TD
        n0["a#34;#93;#59;#92;n#92; #96;*#60;b#62;#35;#92;u#123;1b#125;#91;31m#124;<br/>k"]
        n1["日本<br/>k"]
        n0 -->|"a#34;#93;#59;#92;n#92; #96;*#60;b#62;#35;#92;u#123;1b#125;#91;31m#124;"| n1
    digraph "a\"];\\n\\ `*<b>#\\u{1b}[31m|" {
        node [shape=box];
        n0 [label="a\"];\\n\\ `*<b>#\\u{1b}[31m|\nk"];
        n1 [label="日本\nk"];
        n0 -> n1 [label="a\"];\\n\\ `*<b>#\\u{1b}[31m|"];
    }
    a"];\n\ `*<b>#\u{1b}[31m|

    ┌───────────────────────────┐
    │ a"];\n\ `*<b>#\u{1b}[31m| │
    │ k                         │
    └─────────────┬─────────────┘
                  ▼
              ┌──────┐
              │ 日本 │
              │ k    │
              └──────┘
    "#);
}

#[test]
fn nothing_panics_on_a_drawing_that_no_plan_would_give() {
    let mut odd = tasks(&["a", "b", "c"], &[("a", "b"), ("b", "a"), ("c", "c")]);
    odd.edges.push((7, 0, "x".into()));
    for drawing in [odd, Drawing::default(), tasks(&["only"], &[])] {
        for text in [mermaid(&drawing), dot(&drawing), ascii(&drawing)] {
            assert!(drawing.nodes.iter().all(|node| text.contains(&node.name)), "{text}");
        }
    }
}

/// Reads the picture back: from every box's lower border along the lines to the boxes they reach.
#[test]
fn following_the_lines_of_a_picture_gives_its_edges() {
    let names = ["n0", "n1", "n2", "n3", "n4", "n5", "n6"];
    let mut state: u32 = 1; // a fixed sequence: every run draws the same graphs
    for _ in 0..300 {
        let mut edges = Vec::new();
        for to in 1..names.len() {
            for from in 0..to {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if state >> 24 < 70 {
                    edges.push((names[from], names[to]));
                }
            }
        }
        let picture = ascii(&tasks(&names, &edges));
        let mut expected: Vec<(String, String)> = edges.iter().map(|(f, t)| (f.to_string(), t.to_string())).collect();
        expected.sort();
        assert_eq!(read_back(&picture), expected, "\n{picture}");
    }
}

fn read_back(picture: &str) -> Vec<(String, String)> {
    let grid: Vec<Vec<char>> = picture.lines().skip(2).map(|line| line.chars().collect()).collect();
    let at = |x: usize, y: usize| grid.get(y).and_then(|row| row.get(x)).copied().unwrap_or(' ');
    let name_of = |x: usize, top: usize| {
        let mut left = x;
        while at(left, top) != '┌' {
            left -= 1;
        }
        (left + 2..left + 4).map(|x| at(x, top + 1)).collect::<String>()
    };
    let mut edges = Vec::new();
    for (y, row) in grid.iter().enumerate() {
        // A lower border is three rows under an upper one; elsewhere ┬ is a junction of lines.
        for x in (0..row.len()).filter(|x| row[*x] == '┬') {
            let mut left = x;
            while left > 0 && at(left, y) == '─' || left == x {
                left -= 1;
            }
            if at(left, y) != '└' || y < 3 || at(left, y - 3) != '┌' || at(left + 2, y - 2) != 'n' {
                continue;
            }
            let from = name_of(x, y - 3);
            let mut seen = std::collections::BTreeSet::new();
            let mut open = vec![(x, y + 1, 'd')];
            while let Some((x, y, way)) = open.pop() {
                if !seen.insert((x, y, way)) {
                    continue;
                }
                let c = at(x, y);
                if c == '▼' {
                    edges.push((from.clone(), name_of(x, y + 1)));
                    continue;
                }
                // A bare │ met sideways is crossed.
                if c == '│' && way != 'd' {
                    open.push(if way == 'l' { (x - 1, y, way) } else { (x + 1, y, way) });
                    continue;
                }
                if way != 'r' && "─┐┘┤┬┴┼".contains(c) {
                    open.push((x - 1, y, 'l'));
                }
                if way != 'l' && "─┌└├┬┴┼".contains(c) {
                    open.push((x + 1, y, 'r'));
                }
                if "│┌┐├┤┬┼".contains(c) {
                    open.push((x, y + 1, 'd'));
                }
            }
        }
    }
    edges.sort();
    edges.dedup();
    edges
}
