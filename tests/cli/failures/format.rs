//! Bodies of a 200: empty, no JSON, another JSON than a reply, an error, and replies with parts missing or of another type.

use serde_json::{Value, json};

use super::server::{Act, Asked, JSON, at_first, body, bytes, http, made, ok, reply, says, with, without};
use super::{Case, case};

pub fn cases() -> Vec<Case> {
    let mut cases = texts();
    cases.extend(encodings());
    cases.extend(other_shapes());
    cases.extend(choices());
    cases.extend(messages());
    cases.extend(ends());
    cases.extend(usage());
    cases.extend(errors_inside());
    cases
}

fn text(body: impl AsRef<[u8]> + Send + Sync + 'static) -> Act {
    made(move |_| http("200 OK", &[JSON], body.as_ref()))
}

fn typed(kind: &'static str, body: &'static str) -> Act {
    bytes(http("200 OK", &[&format!("content-type: {kind}")], body))
}

/// The text of an honest answer, changed.
fn changed(change: impl Fn(&Asked, String) -> Vec<u8> + Send + Sync + 'static) -> Act {
    made(move |asked| http("200 OK", &[JSON], change(asked, asked.answer().to_string())))
}

fn texts() -> Vec<Case> {
    const UNREADABLE: &str = "calls itself JSON and cannot be read";
    vec![
        case("empty-body", "answers 200 with nothing", text("")).template(UNREADABLE),
        case("white-space", "answers 200 with white space", text(" \n\t ")).template(UNREADABLE),
        case("null", "answers `null`", text("null")).template(UNREADABLE),
        case("a-number", "answers `42`", text("42")).template(UNREADABLE),
        case("a-string", "answers a JSON string", text("\"Scale it out.\"")).template(UNREADABLE),
        case("a-list", "answers `[]`", text("[]")).template("the answer holds no reply"),
        case("an-object", "answers `{}`", text("{}")).template("the answer holds no reply"),
        case("replies-in-a-list", "answers a list of one reply", body(|asked| json!([asked.answer()]))).template("the answer holds no reply"),
        case("plain-text", "answers a plain sentence", typed("text/plain", "Scale it out.")).template("not JSON but text/plain"),
        case("portal-page", "answers 200 with the page of a login", typed("text/html", "<html><head><title>Sign in</title></head></html>")).template("not JSON but text/html"),
        case("xml", "answers XML", typed("application/xml", "<reply><choice/></reply>")).template("not JSON but application/xml"),
        case("yaml", "answers YAML", typed("application/yaml", "choices:\n- message: {content: hello}\n")).template("not JSON but application/yaml"),
        case("two-objects", "answers two objects, one a line", changed(|_, text| format!("{text}\n{text}\n").into_bytes())).template(UNREADABLE),
        case("garbage-behind-the-object", "answers an object and more behind it", changed(|_, text| format!("{text} }}").into_bytes())).template(UNREADABLE),
        case("cut-off-json", "answers half of the JSON, with the right length", changed(|_, text| text.as_bytes()[..text.len() / 2].to_vec())).template(UNREADABLE),
        case("trailing-comma-outside", "puts a comma behind the last member of the reply", changed(|_, text| format!("{},}}", &text[..text.len() - 1]).into_bytes())).template(UNREADABLE),
        case("javascript", "answers `callback({…})`", changed(|_, text| format!("callback({text});").into_bytes())).template(UNREADABLE),
        case("xssi-prefix", "puts `)]}'` before the JSON", changed(|_, text| format!(")]}}'\n{text}").into_bytes())).template(UNREADABLE),
        case("three-mb-of-spaces", "puts 3 MB of spaces before the JSON", changed(|_, text| format!("{}{text}", " ".repeat(3 << 20)).into_bytes())).model(""),
        case("events-unasked", "streams events, though it was not asked to", made(|asked| {
            let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": asked.honest().to_string() }, "finish_reason": null }] });
            http("200 OK", &["content-type: text/event-stream"], format!("data: {chunk}\n\ndata: [DONE]\n\n"))
        }))
        .template("not JSON but text/event-stream"),
        case("events-without-content", "ends a stream of events at once", typed("text/event-stream", ": OPENROUTER PROCESSING\n\ndata: [DONE]\n\n")).template("not JSON but text/event-stream"),
        case("ndjson-unasked", "streams lines of JSON", made(|_| {
            let line = json!({ "model": "m", "message": { "role": "assistant", "content": "Sc" }, "done": false });
            http("200 OK", &["content-type: application/x-ndjson"], format!("{line}\n{line}\n"))
        }))
        .template(UNREADABLE),
    ]
}

fn encodings() -> Vec<Case> {
    const UNREADABLE: &str = "calls itself JSON and cannot be read";
    let quoted = |raw: &'static [u8]| {
        changed(move |_, text| {
            let at = text.find("Soon, ").unwrap();
            [&text.as_bytes()[..at], raw, &text.as_bytes()[at..]].concat()
        })
    };
    let nested =
        |open: &'static str, close: &'static str| text(format!("{}{}", open.repeat(10_000), close.repeat(10_000)));
    vec![
        case(
            "byte-order-mark",
            "puts a byte order mark before the JSON",
            changed(|_, text| format!("\u{feff}{text}").into_bytes()),
        )
        .model(""),
        case(
            "two-byte-order-marks",
            "puts two byte order marks before the JSON",
            changed(|_, text| format!("\u{feff}\u{feff}{text}").into_bytes()),
        )
        .template(UNREADABLE),
        case(
            "utf-16",
            "answers in UTF-16",
            changed(|_, text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        )
        .template(UNREADABLE),
        case("latin-1", "answers in Latin-1", quoted(b"\xe9t\xe9 ")).template(UNREADABLE),
        case("invalid-utf-8", "has bytes in a string that are no UTF-8", quoted(b"\xff\xfe\xc0\x80"))
            .template(UNREADABLE),
        case("surrogates-in-utf-8", "has an encoded surrogate in a string", quoted(b"\xed\xa0\x80"))
            .template(UNREADABLE),
        case("raw-nul-bytes", "has NUL bytes in a string", quoted(b"\0\0\0")).template(UNREADABLE),
        case("nothing-but-nul", "answers 10,000 NUL bytes", text(vec![0; 10_000])).template(UNREADABLE),
        case("raw-line-breaks", "has raw line breaks in a string", quoted(b"\n\n")).template(UNREADABLE),
        case("lone-surrogate", "has half a surrogate pair in a string", quoted(b"\\ud83d")).template(UNREADABLE),
        case("unknown-escape", "has an escape that JSON lacks in a string", quoted(b"\\x41")).template(UNREADABLE),
        case("ten-thousand-brackets", "answers 10,000 brackets", nested("[", "]")).template(UNREADABLE),
        case("ten-thousand-braces", "answers objects, 10,000 deep", nested("{\"a\":", "}")).template(UNREADABLE),
        case("a-million-brackets", "opens a million brackets", text("[".repeat(1_000_000))).template(UNREADABLE),
        case(
            "deep-beside-the-reply",
            "puts lists beside the reply, 110 deep",
            changed(|_, text| {
                format!("{},\"x\":{}{}}}", &text[..text.len() - 1], "[".repeat(110), "]".repeat(110)).into_bytes()
            }),
        )
        .template(UNREADABLE),
        case(
            "number-overflows",
            "has the number 1e999",
            changed(|_, text| format!("{},\"x\":1e999}}", &text[..text.len() - 1]).into_bytes()),
        )
        .template(UNREADABLE),
        case(
            "number-of-400-digits",
            "has a number of 400 digits",
            changed(|_, text| format!("{},\"x\":{}}}", &text[..text.len() - 1], "9".repeat(400)).into_bytes()),
        )
        .template(UNREADABLE),
        case(
            "nan",
            "has the number NaN",
            changed(|_, text| format!("{},\"x\":NaN}}", &text[..text.len() - 1]).into_bytes()),
        )
        .template(UNREADABLE),
        case(
            "choices-twice",
            "has `choices` twice, the second empty",
            changed(|_, text| format!("{},\"choices\":[]}}", &text[..text.len() - 1]).into_bytes()),
        )
        .template("the answer holds no reply"),
        case(
            "ten-thousand-members",
            "has 10,000 members of no use",
            body(|asked| {
                let mut answer = asked.answer();
                (0..10_000).for_each(|n| answer[format!("x{n}")] = json!(n));
                answer
            }),
        )
        .model(""),
    ]
}

/// Replies of other protocols.
fn other_shapes() -> Vec<Case> {
    let shape = |name, does, shape: fn(String) -> Value| {
        case(name, does, body(move |asked| shape(asked.honest().to_string()))).template("the answer holds no reply")
    };
    vec![
        shape(
            "ollama-shape",
            "answers in Ollama's own protocol",
            |text| json!({ "message": { "role": "assistant", "content": text }, "done": true }),
        )
        .template("the answer holds no reply"),
        shape(
            "anthropic-shape",
            "answers in Anthropic's own protocol",
            |text| json!({ "type": "message", "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn" }),
        ),
        shape(
            "gemini-shape",
            "answers in Gemini's own protocol",
            |text| json!({ "candidates": [{ "content": { "parts": [{ "text": text }] } }] }),
        ),
        shape(
            "responses-shape",
            "answers in the Responses protocol",
            |text| json!({ "object": "response", "output": [{ "type": "message", "content": [{ "type": "output_text", "text": text }] }] }),
        ),
        shape(
            "embedding-shape",
            "answers an embedding",
            |_| json!({ "object": "list", "data": [{ "embedding": [0.1, 0.2] }] }),
        ),
        shape(
            "models-shape",
            "answers the list of its models",
            |_| json!({ "object": "list", "data": [{ "id": "m", "object": "model" }] }),
        ),
        shape("draft-without-a-reply", "answers the draft itself", |text| serde_json::from_str(&text).unwrap()),
        shape(
            "legacy-completion",
            "answers `text` where `message` is due",
            |text| json!({ "choices": [{ "text": text, "finish_reason": "stop" }] }),
        )
        .template("the answer holds no JSON object"),
        shape(
            "delta-unasked",
            "answers `delta` where `message` is due",
            |text| json!({ "choices": [{ "delta": { "content": text }, "finish_reason": "stop" }] }),
        )
        .template("the answer holds no JSON object"),
        case("request-as-the-reply", "sends the request back as the reply", body(|asked| asked.body.clone()))
            .template("the answer holds no reply"),
        case(
            "batch-shape",
            "answers that a batch was taken on",
            body(|_| json!({ "object": "batch", "status": "validating" })),
        )
        .template("the answer holds no reply"),
    ]
}

fn choices() -> Vec<Case> {
    let choices = |name, does, value: Value| {
        case(name, does, body(move |asked| with(asked.answer(), "/choices", value.clone())))
            .template("the answer holds no reply")
    };
    let two = |name, does, order: fn(Value, Value) -> Value| {
        case(
            name,
            does,
            body(move |asked| {
                let mut answer = asked.answer();
                let good = answer["choices"][0].clone();
                let bad = with(good.clone(), "/message/content", json!("no"));
                answer["choices"] = order(good, bad);
                answer
            }),
        )
    };
    vec![
        case("choices-missing", "has no `choices`", body(|asked| without(asked.answer(), "", "choices")))
            .template("the answer holds no reply"),
        choices("choices-empty", "has `choices: []`", json!([])),
        choices("choices-null", "has `choices: null`", json!(null)),
        choices("choices-a-string", "has a string for `choices`", json!("Scale it out.")),
        choices("choices-an-object", "has an object for `choices`", json!({ "0": { "message": { "content": "x" } } })),
        choices("choice-null", "has `choices: [null]`", json!([null])),
        choices("choice-a-string", "has a string for a choice", json!(["Scale it out."])),
        choices("choice-empty", "has `choices: [{}]`", json!([{}])).template("the answer holds no JSON object"),
        two("two-choices", "has two choices, the first is good", |good, bad| json!([good, bad])).model(""),
        two("two-choices-the-second-good", "has two choices, the first is bad", |good, bad| json!([bad, good]))
            .template("the answer holds no JSON object"),
        two("ten-thousand-choices", "has 10,000 choices, the first is good", |good, bad| {
            json!([vec![good], vec![bad; 9_999]].concat())
        })
        .model(""),
    ]
}

fn messages() -> Vec<Case> {
    const NOTHING: &str = "the answer holds no JSON object";
    let message = |name, does, value: Value| {
        case(name, does, body(move |_| reply(value.clone(), json!("stop")))).template(NOTHING)
    };
    let content = |name, does, value: Value| message(name, does, json!({ "role": "assistant", "content": value }));
    let around = |name, does, wrap: fn(String) -> Value| {
        case(name, does, body(move |asked| reply(wrap(asked.honest().to_string()), json!("stop")))).model("")
    };
    vec![
        case("message-missing", "has no `message`", body(|asked| without(asked.answer(), "/choices/0", "message"))).template(NOTHING),
        message("message-null", "has `message: null`", json!(null)),
        message("message-a-string", "has a string for `message`", json!("Scale it out.")),
        message("message-a-list", "has a list for `message`", json!([{ "content": "x" }])),
        case("content-missing", "has no `content`", body(|asked| without(asked.answer(), "/choices/0/message", "content"))).template(NOTHING),
        content("content-null", "has `content: null`", json!(null)),
        content("content-empty", "has `content: \"\"`", json!("")),
        content("content-blank", "has white space for `content`", json!(" \n ")),
        content("content-a-number", "has a number for `content`", json!(42)),
        content("content-true", "has `content: true`", json!(true)),
        content("content-numbers", "has a list of numbers for `content`", json!([1, 2, 3])),
        case("content-the-object", "has the draft itself for `content`, not its text", body(|asked| {
            with(asked.answer(), "/choices/0/message/content", asked.honest())
        }))
        .template(NOTHING),
        around("content-in-parts", "has a list of parts of text for `content`", |text| {
            let (first, rest) = text.split_at(20);
            json!({ "content": [{ "type": "text", "text": first }, { "type": "text", "text": rest }] })
        }),
        around("content-with-thinking", "has a part of thinking before the text", |text| {
            json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": "Hm {" }] }, { "type": "text", "text": text }] })
        }),
        around("content-with-reasoning", "has 1 MB of reasoning beside the content", |text| {
            json!({ "content": text, "reasoning_content": "Hm. ".repeat(1 << 18) })
        }),
        content("content-an-image", "has a part that is an image", json!([{ "type": "image_url", "image_url": { "url": "data:," } }])),
        message("refusal", "refuses", json!({ "role": "assistant", "content": null, "refusal": "I cannot help with that." })).template("the model refused: I cannot help with that."),
        message("refusal-not-a-string", "refuses with a list", json!({ "content": null, "refusal": ["no"] })),
        around("refusal-beside-content", "refuses and answers", |text| json!({ "content": text, "refusal": "no" })),
        case("tool-calls", "calls a tool instead of answering", body(|asked| {
            let call = json!({ "id": "c", "type": "function", "function": { "name": "recommendation_wording", "arguments": asked.honest().to_string() } });
            reply(json!({ "role": "assistant", "content": null, "tool_calls": [call] }), json!("tool_calls"))
        }))
        .template("did not end by itself but with `tool_calls`"),
        case("function-call", "calls a function, the old way", body(|asked| {
            reply(json!({ "content": null, "function_call": { "name": "f", "arguments": asked.honest().to_string() } }), json!("function_call"))
        }))
        .template("did not end by itself but with `function_call`"),
        around("role-of-the-user", "answers as `user`", |text| json!({ "role": "user", "content": text })),
        around("many-more-fields", "has dozens of fields that nobody knows", |text| {
            let mut message = json!({ "content": text });
            (0..60).for_each(|n| message[format!("x_{n}")] = json!({ "deep": [n] }));
            message
        }),
    ]
}

fn ends() -> Vec<Case> {
    let end = |name, does, reason: Value| {
        case(name, does, body(move |asked| with(asked.answer(), "/choices/0/finish_reason", reason.clone())))
    };
    vec![
        end("finish-length", "is cut off by its limit after a whole object", json!("length"))
            .template("did not end by itself but with `length`"),
        end("finish-filter", "is stopped by a filter of content", json!("content_filter"))
            .template("the content filter stopped the reply"),
        end("finish-error", "breaks off with an error", json!("error")).template("the reply broke off with an error"),
        end("finish-unknown", "ends for a reason that nobody knows", json!("tired"))
            .template("did not end by itself but with `tired`"),
        end("finish-without-resources", "ends for want of resources", json!("insufficient_system_resource"))
            .template("the reply broke off with an error"),
        end("finish-hostile", "ends for a reason of control characters", json!("\u{1b}[2J\u{202e}{target}"))
            .template("did not end by itself but with"),
        end("finish-null", "does not say why it ended", json!(null)).model(""),
        end("finish-a-number", "ends for the reason 7", json!(7)).model(""),
        end("finish-eos", "ends with `eos`", json!("eos")).model(""),
        case(
            "cut-off-for-good",
            "is cut off by its limit within a sentence",
            body(|asked| {
                let text = asked.honest().to_string();
                reply(json!({ "content": text[..text.len() / 2] }), json!("length"))
            }),
        )
        .template("did not end by itself but with `length`"),
        case(
            "cut-off-once",
            "is cut off by its limit once, then answers",
            at_first(1, |asked| ok(&with(asked.answer(), "/choices/0/finish_reason", json!("length")))),
        )
        .model("did not end by itself but with `length`"),
    ]
}

fn usage() -> Vec<Case> {
    let usage = |name, does, value: Value| {
        case(name, does, body(move |asked| with(asked.answer(), "/usage", value.clone()))).model("")
    };
    vec![
        case("usage-missing", "does not say what it used", body(|asked| without(asked.answer(), "", "usage")))
            .model(""),
        usage("usage-null", "has `usage: null`", json!(null)),
        usage("usage-negative", "says it used -5 tokens", json!({ "prompt_tokens": -5, "completion_tokens": -5 })),
        usage(
            "usage-strings",
            "says it used \"11\" tokens",
            json!({ "prompt_tokens": "11", "completion_tokens": "7" }),
        ),
        usage(
            "usage-fractions",
            "says it used 0.5 tokens",
            json!({ "prompt_tokens": 0.5, "completion_tokens": 1e300 }),
        ),
        usage(
            "usage-absurd",
            "says it used 2^64 - 1 tokens",
            json!({ "prompt_tokens": u64::MAX, "completion_tokens": u64::MAX, "total_tokens": u64::MAX }),
        ),
        case(
            "usage-absurd-with-a-price",
            "says it used 2^53 tokens each time",
            body(|asked| {
                with(
                    asked.answer(),
                    "/usage",
                    json!({ "prompt_tokens": 1_u64 << 53, "completion_tokens": 1_u64 << 53 }),
                )
            }),
        )
        .model(""),
        case(
            "another-model",
            "answers in the name of another model",
            body(|asked| with(asked.answer(), "/model", json!("other\u{1b}[2J"))),
        )
        .model(""),
        case(
            "no-envelope",
            "has `choices` and nothing else",
            body(|asked| json!({ "choices": asked.answer()["choices"] })),
        )
        .model(""),
    ]
}

fn errors_inside() -> Vec<Case> {
    let inside = |name, does, value: Value| case(name, does, body(move |_| value.clone()));
    vec![
        inside(
            "error-in-200",
            "answers 200 with an error",
            json!({ "error": { "message": "upstream died", "code": "x" } }),
        )
        .template("status 200: upstream died"),
        inside(
            "error-in-200-with-502",
            "answers 200 with an error whose code is 502",
            json!({ "error": { "message": "upstream died", "code": 502 } }),
        )
        .template("status 502: upstream died"),
        inside(
            "error-in-200-a-string",
            "answers 200 with a string for an error",
            json!({ "error": "model is loading" }),
        )
        .template("status 200: model is loading"),
        inside(
            "error-in-200-in-a-list",
            "answers 200 with a list of an error",
            json!([{ "error": { "code": 400, "message": "no", "status": "INVALID_ARGUMENT" } }]),
        )
        .template("no"),
        inside("error-in-200-empty", "answers 200 with `error: {}`", json!({ "error": {} })).template("no explanation"),
        inside("detail-in-200", "answers 200 with `detail`", json!({ "detail": "Not Found" })).template("Not Found"),
        inside(
            "success-false",
            "answers 200 with `success: false`",
            json!({ "success": false, "errors": [{ "code": 7009, "message": "No route" }] }),
        )
        .template("No route"),
        case(
            "error-beside-a-reply",
            "answers with a reply and an error",
            body(|asked| {
                let mut answer = asked.answer();
                answer["error"] = json!({ "message": "late", "code": 500 });
                answer
            }),
        )
        .model(""),
        case(
            "error-null",
            "answers with a reply and `error: null`",
            body(|asked| {
                let mut answer = asked.answer();
                answer["error"] = json!(null);
                answer
            }),
        )
        .model(""),
        case(
            "error-in-200-once",
            "answers 200 with an error of 429 once, then properly",
            at_first(1, |_| ok(&json!({ "error": { "code": 429, "message": "slow down" } }))),
        )
        .model(""),
        case(
            "error-within-the-content",
            "writes the error into the content",
            body(|_| says("Error: rate limit exceeded, retry after 20 seconds.")),
        )
        .template("the answer holds no JSON object"),
    ]
}
