use super::*;

fn usual(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|i| {
            let (minute, second) = (i / 60 % 60, i % 60);
            let status = ["online", "degraded", "offline"][i % 7 % 3];
            format!(
                "{{\"timestamp\":\"2023-10-0{}T12:{minute:02}:{second:02}Z\",\"host\":\"web-{}\",\"cpu\":{},\"mem\":{}.{},\"note\":\"{}\",\"service_status\":{{\"db\":\"{status}\",\"cache\":\"online\"}}}}\n",
                1 + i / 500, i % 5, i % 1000, i % 100, i % 10, "x".repeat(i % 40),
            )
            .into_bytes()
        })
        .collect()
}

#[test]
fn usual_lines_are_taken_and_right() {
    let case = Case::new(&["cpu", "mem"]);
    let text = usual(3000);
    let expected = general(&case, [(text.as_slice(), 0)].into_iter());
    assert_eq!(expected.0.len(), 3000);
    for isa in Isa::all() {
        let mut scanner = case.scanner(Lines::Ndjson);
        scanner.isa = isa;
        let (outcome, taken) = scanned(&case, &mut scanner, &[&text]);
        assert_eq!(outcome, expected);
        assert!(taken > 2900, "{taken}");
    }
}
