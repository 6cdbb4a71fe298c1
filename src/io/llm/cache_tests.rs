use std::collections::BTreeSet;

use serde_json::json;

use super::*;

/// Says the number of the request.
#[derive(Default)]
struct Counting(Mutex<u64>);

impl Model for Counting {
    fn identity(&self) -> ModelIdentity {
        ModelIdentity { provider: "test".into(), model: "m".into(), base_url: "test:".into() }
    }

    fn is_in_order(&self) -> bool {
        false
    }
    fn complete<'a>(&'a self, _: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
        let mut asked = self.0.lock().unwrap();
        *asked += 1;
        let text = format!("answer {asked}");
        Box::pin(async move { Ok(ModelReply { text, prompt_tokens: 9, attempts: 2, elapsed_ms: 7, ..stopped() }) })
    }
}

fn stopped() -> ModelReply {
    ModelReply { finish_reason: Some("stop".into()), ..ModelReply::default() }
}

fn request() -> ModelRequest {
    ModelRequest {
        asked_by: "w[0]".into(),
        system: "system".into(),
        user: "user".into(),
        schema_name: "s".into(),
        schema: json!({ "type": "object" }),
        max_tokens: 30,
    }
}

fn cached(folder: &Path) -> Cached {
    let cache = Arc::new(Cache::new(folder.join("cache"), BOUNDS));
    Cached { inner: Arc::new(Counting::default()), cache, parameters: json!({ "temperature": 0 }) }
}

#[tokio::test]
async fn an_accepted_answer_is_not_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let model = cached(folder.path());
    let first = model.complete(&request()).await.unwrap();
    let ticket = first.ticket.clone().unwrap();
    assert_eq!((first.text.as_str(), first.cached, first.prompt_tokens), ("answer 1", false, 9));
    let again = model.complete(&request()).await.unwrap();
    assert_eq!((again.text.as_str(), again.cached), ("answer 2", false), "not accepted, so not kept");
    model.judged(&ticket, Some(&first));

    // Another process, another task.
    let model = cached(folder.path());
    let kept = model.complete(&ModelRequest { asked_by: "v[7]".into(), ..request() }).await.unwrap();
    assert_eq!(kept, ModelReply { text: "answer 1".into(), cached: true, ticket: Some(ticket.clone()), ..stopped() });
    // Accepted once more, and then, by a program that judges otherwise, not.
    model.judged(&ticket, Some(&kept));
    assert!(model.complete(&request()).await.unwrap().cached);
    model.judged(&ticket, None);
    assert_eq!(model.complete(&request()).await.unwrap().text, "answer 1", "asked anew");
}

#[tokio::test]
async fn a_mended_answer_is_kept_under_the_first_question() {
    let folder = tempfile::tempdir().unwrap();
    let model = cached(folder.path());
    let ticket = model.complete(&request()).await.unwrap().ticket.unwrap();
    let repair = ModelRequest { user: "user, again".into(), ..request() };
    let mended = model.complete(&repair).await.unwrap();
    model.judged(&ticket, Some(&mended));
    assert_eq!(model.complete(&request()).await.unwrap().text, "answer 2");
}

#[tokio::test]
async fn what_was_cut_or_is_a_stand_ins_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let model = cached(folder.path());
    let first = model.complete(&request()).await.unwrap();
    let ticket = first.ticket.clone().unwrap();
    model.judged(&ticket, Some(&ModelReply { finish_reason: Some("length".into()), ..first.clone() }));
    model.judged(&ticket, Some(&ModelReply { stand_in: Some(model.identity()), ..first.clone() }));
    model.judged(&ticket, Some(&ModelReply { text: "x".repeat(LONGEST as usize), ..first.clone() }));
    for no_key in ["", "../../x", &ticket[1..], &ticket.to_uppercase(), &format!("{ticket}/")] {
        model.judged(no_key, Some(&first));
    }
    assert_eq!(model.cache.files().len(), 0);
    assert!(!folder.path().join("x").exists());
}

#[test]
fn everything_that_is_sent_is_part_of_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut keys = BTreeSet::from([cached(folder.path()).key(&request())]);
    let other = ModelRequest { asked_by: "other".into(), ..request() };
    assert!(!keys.insert(cached(folder.path()).key(&other)), "who asks is not sent");
    let (empty, moved) = (String::new(), ("systemu".to_string(), "ser".to_string()));
    for other in [
        ModelRequest { system: empty.clone(), ..request() },
        ModelRequest { system: moved.0, user: moved.1, ..request() },
        ModelRequest { user: empty.clone(), ..request() },
        ModelRequest { schema_name: empty, ..request() },
        ModelRequest { schema: json!({ "type": "array" }), ..request() },
        ModelRequest { max_tokens: 31, ..request() },
    ] {
        assert!(keys.insert(cached(folder.path()).key(&other)), "{other:?}");
    }
    assert!(keys.insert(Cached { parameters: json!({}), ..cached(folder.path()) }.key(&request())));
    struct Other;
    impl Model for Other {
        fn identity(&self) -> ModelIdentity {
            ModelIdentity { base_url: "other:".into(), ..Counting::default().identity() }
        }
        fn is_in_order(&self) -> bool {
            false
        }
        fn complete<'a>(&'a self, _: &'a ModelRequest) -> BoxFuture<'a, Result<ModelReply, ModelError>> {
            unreachable!("only its name is asked for")
        }
    }
    assert!(keys.insert(Cached { inner: Arc::new(Other), ..cached(folder.path()) }.key(&request())));
}

#[test]
fn a_damaged_answer_is_as_good_as_none() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_path_buf(), BOUNDS);
    let (key, other) = ("a".repeat(64), "b".repeat(64));
    let reply = ModelReply { text: "said".into(), ..stopped() };
    cache.keep(&key, &reply);
    let path = folder.path().join(&key);
    let text = fs::read(&path).unwrap();
    assert_eq!(cache.get(&key), Some(reply.clone()));
    for cut in 0..text.len() {
        fs::write(&path, &text[..cut]).unwrap();
        assert_eq!(cache.get(&key), None, "{cut}");
        assert!(!path.exists(), "it is gone");
    }
    for at in 0..text.len() {
        let mut flipped = text.clone();
        flipped[at] ^= 1;
        fs::write(&path, &flipped).unwrap();
        assert_eq!(cache.get(&key), None, "{at}");
    }
    fs::write(folder.path().join(&other), &text).unwrap();
    assert_eq!(cache.get(&other), None, "another one's");
    fs::create_dir(&path).unwrap();
    assert_eq!(cache.get(&key), None);
    cache.keep(&key, &reply); // a warning, and nothing else
    assert_eq!(cache.get(&key), None);
}

#[test]
fn the_oldest_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::new(folder.path().to_path_buf(), Bounds { files: 16, bytes: 1 << 20 });
    let key = |number: usize| format!("{number:064x}");
    let put = |cache: &Cache, number: usize| {
        cache.keep(&key(number), &stopped());
        let file = File::options().write(true).open(folder.path().join(key(number))).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(10_000 - number as u64)).unwrap();
    };
    (0..16).for_each(|number| put(&cache, number));
    assert!(cache.get(&key(0)).is_some()); // just used
    (16..40).for_each(|number| {
        put(&cache, number);
        assert!(cache.files().len() <= 17);
    });
    let kept: Vec<usize> = (0..40).filter(|number| folder.path().join(key(*number)).exists()).collect();
    assert!(kept.contains(&0) && kept.contains(&39) && !kept.contains(&1) && kept.len() <= 16, "{kept:?}");

    // By bytes; and a new process counts what is there, and sweeps up what a dead one left.
    let left = folder.path().join(".x.tmp");
    fs::write(&left, "").unwrap();
    File::options().write(true).open(&left).unwrap().set_modified(SystemTime::now() - 2 * ABANDONED).unwrap();
    let strangers = folder.path().join("notes.txt");
    fs::write(&strangers, "").unwrap();
    let one = fs::metadata(folder.path().join(key(39))).unwrap().len();
    let cache = Cache::new(folder.path().to_path_buf(), Bounds { files: 1000, bytes: 8 * one });
    put(&cache, 40);
    assert!(cache.files().len() <= 8 && cache.get(&key(40)).is_some() && !left.exists() && strangers.exists());
}

#[test]
fn several_writers_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let keys: Vec<String> = (0..8).map(|number| format!("{number:064x}")).collect();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (keys, folder) = (&keys, folder.path());
            scope.spawn(move || {
                let cache = Cache::new(folder.to_path_buf(), Bounds { files: 6, bytes: 1 << 20 });
                for round in 0..50 {
                    let key = &keys[(round * 3 + writer) % keys.len()];
                    cache.keep(key, &ModelReply { text: key.clone(), ..stopped() });
                    for key in keys {
                        assert!(cache.get(key).is_none_or(|reply| reply.text == *key));
                    }
                }
            });
        }
    });
    let last = Cache::new(folder.path().to_path_buf(), BOUNDS);
    assert!(last.files().iter().all(|(path, ..)| last.get(path.file_name().unwrap().to_str().unwrap()).is_some()));
}

#[test]
fn the_environment_turns_it_off() {
    let of = |pairs: &[(&str, &str)]| Cache::of_user(&Environment::from_pairs(pairs.iter().copied()));
    let cache = of(&[("AGENT_STATE_DIR", "/s")]).unwrap().unwrap();
    assert!(cache.folder.ends_with("cache") && cache.folder.starts_with("/s"));
    assert!(of(&[("AGENT_STATE_DIR", "/s"), ("LLM_CACHE", " Off ")]).unwrap().is_none());
    assert!(of(&[("LLM_CACHE", "maybe")]).is_err_and(|fault| fault.to_string().starts_with("AG0203")));
}
