//! A PostgreSQL server of the tests' own: made when the first asks for it, and gone with the process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

struct Server {
    socket: PathBuf,
    /// Stops it when its standard input is closed, which the end of this process does.
    _watch: Child,
}

/// A database with nothing in it; `None` where no server is installed, which is printed.
pub fn empty() -> Option<Place> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let server = SERVER.get_or_init(start).as_ref()?;
    let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let url =
        |name: &str| format!("postgres://postgres@{}/{name}", server.socket.to_str().unwrap().replace('/', "%2F"));
    connect(&Place::at(&url("postgres")), false, true).unwrap().script(&format!("CREATE DATABASE {name}")).unwrap();
    Some(Place::at(&url(&name)))
}

/// The newest of those that Debian keeps side by side, or the one of the PATH.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .chain(std::env::split_paths(&std::env::var_os("PATH")?))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop()
}

fn start() -> Option<Server> {
    let Some(programs) = programs() else {
        eprintln!("skipped: PostgreSQL is not installed");
        return None;
    };
    // Not removed by us: the server may outlive this process for a moment.
    let folder = tempfile::tempdir().unwrap().keep();
    let is_root = run(Command::new("id").arg("-u")).trim() == "0";
    if is_root {
        run(Command::new("chown").arg("postgres").arg(&folder)); // a server declines to be root's
    }
    let program = |name: &str| as_owner(is_root, &programs.join(name));
    let data = folder.join("data");
    run(program("initdb").args(["--no-sync", "--auth=trust", "--encoding=UTF8", "-U", "postgres", "-D"]).arg(&data));
    let options = format!("-c listen_addresses= -c fsync=off -k {}", folder.display());
    run(program("pg_ctl").args(["-w", "-o", &options, "-l"]).arg(folder.join("log")).arg("-D").arg(&data).arg("start"));
    let stop = "cat; \"$@\"; rm -rf \"$FOLDER\"";
    let stopping = program("pg_ctl");
    let mut watch = Command::new("sh");
    watch.args(["-c", stop, "sh"]).arg(stopping.get_program()).args(stopping.get_args());
    watch.args(["-m", "immediate", "-D"]).arg(&data).arg("stop").env("FOLDER", &folder);
    let watch = watch.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    Some(Server { socket: folder, _watch: watch })
}

fn as_owner(is_root: bool, program: &Path) -> Command {
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
    command
}

fn run(command: &mut Command) -> String {
    let done = command.stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn columns_are_explained_and_an_answer_may_be_of_any_type() {
    let Some(place) = empty() else { return };
    let mut database = open(&place, false).unwrap();
    let mut about = Vec::new();
    let sql = "SELECT col_description('measurement'::regclass, attnum) FROM pg_attribute \
               WHERE attrelid = 'measurement'::regclass AND attname = 'time'";
    database.query(sql, &[], &mut |row| about = row.to_vec()).unwrap();
    assert_eq!(about, [Cell::from("microseconds since 1970-01-01 UTC")]);
    let mut reader = open_to_read(&place).unwrap();
    let question = reader.question("SELECT 1 AS a, 2.5::numeric AS a, DATE '2024-01-01', NULL, true, ARRAY[1];");
    let (mut names, mut cells) = (Vec::new(), Vec::new());
    let read = reader.rows(&question, &[], &mut |seen| {
        match seen {
            Seen::Columns(columns) => names = columns.iter().map(|name| (*name).to_string()).collect(),
            Seen::Row(row) => cells = row.to_vec(),
        }
        ControlFlow::Continue(())
    });
    read.unwrap();
    assert_eq!(names, ["a", "a", "date", "?column?", "?column?", "array"]);
    let expected = [Cell::Int(1), Cell::Real(2.5), "2024-01-01".into(), Cell::Null, Cell::Int(1), "{1}".into()];
    assert_eq!(cells, expected);
}

#[test]
fn a_server_that_is_lost_is_a_fault_and_not_the_end() {
    let Some(place) = empty() else { return };
    let mut database = open(&place, false).unwrap();
    database.begin().unwrap();
    let mut pid = 0;
    database.query("SELECT pg_backend_pid()::bigint", &[], &mut |row| pid = row[0].int().unwrap()).unwrap();
    connect(&place, false, true)
        .unwrap()
        .execute("SELECT pg_terminate_backend($1::bigint::int)", &[pid.into()])
        .unwrap();
    let why = database.execute("DELETE FROM report", &[]).unwrap_err();
    assert!(why.contains("terminating connection") || why.contains("closed"), "{why}");
    database.rollback();
    assert!(database.begin().is_err());
    open(&place, false).unwrap().begin().unwrap();
    let url = "postgres://nobody:secret@127.0.0.1:1/none";
    let fault = open(&Place::at(url), false).err().unwrap().to_string();
    assert!(fault.contains("refused") && fault.contains("…@127.0.0.1:1/none") && !fault.contains("secret"), "{fault}");
}
