//! PostgreSQL: a server, spoken to by a thread of its own, so that whoever writes may be in whatever runtime or in none.

mod tls;
mod value;

use std::collections::HashMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Statement};

use super::{Cell, Database, Measurement, See, Seen};

/// Somebody else may be writing for so long.
const PATIENCE: &str = "30s";
/// A server must answer within.
const CONNECT: Duration = Duration::from_secs(10);
/// Rows that are handed over at once.
const AT_ONCE: usize = 1024;
/// Statements on their way at once.
const IN_FLIGHT: usize = 256;
/// Statements that are kept prepared.
const KEPT: usize = 256;

type Job = Box<dyn FnOnce(Arc<Session>) -> BoxFuture<'static, ()> + Send>;

pub struct Postgres {
    jobs: UnboundedSender<Job>,
    place: String,
    /// Something was begun that has not ended.
    is_open: bool,
}

/// A connection as its thread has it.
struct Session {
    client: Client,
    prepared: Mutex<HashMap<String, Statement>>,
}

/// What the thread that waits for rows gets.
enum Piece {
    Columns(Vec<String>),
    Rows(Vec<Vec<Cell>>),
    End(Result<(), String>),
}

impl Postgres {
    /// `synced`: what is committed survives the death of the server's machine. Without `writes` the server itself declines
    /// to write.
    pub fn open(url: &str, place: String, synced: bool, writes: bool) -> Result<Postgres, String> {
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| said(&error))?;
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name(env!("CARGO_PKG_NAME"));
        }
        let (jobs, mut waiting) = unbounded_channel::<Job>();
        let (to, connected) = sync_channel(1);
        let serve = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(to.send(Err(error.to_string()))),
            };
            runtime.block_on(async {
                let client = match config.connect(tls::Tls::default()).await {
                    Ok((client, connection)) => {
                        tokio::spawn(connection); // what breaks it is told by the next statement
                        client
                    }
                    Err(error) => return drop(to.send(Err(said(&error)))),
                };
                let session = Arc::new(Session { client, prepared: Mutex::default() });
                let _ = to.send(Ok(()));
                while let Some(job) = waiting.recv().await {
                    job(session.clone()).await;
                }
            });
        };
        let thread = std::thread::Builder::new().name("postgres".to_string()).spawn(serve);
        thread.map_err(|error| error.to_string())?;
        connected.recv().map_err(|_| lost())??;
        let mut database = Postgres { jobs, place, is_open: false };
        let commit = if synced { "on" } else { "off" };
        let read_only = if writes { "off" } else { "on" };
        database.script(&format!(
            "SET lock_timeout = '{PATIENCE}'; SET synchronous_commit = {commit}; SET TimeZone = 'UTC'; \
             SET default_transaction_read_only = {read_only}; SET client_min_messages = warning"
        ))?;
        Ok(database)
    }

    /// Has the thread do something, and waits for it.
    fn ask<T, F>(&self, work: impl FnOnce(Arc<Session>) -> F + Send + 'static) -> Result<T, String>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        let (to, answer) = sync_channel(1);
        let job: Job = Box::new(move |session| {
            async move {
                let _ = to.send(work(session).await);
            }
            .boxed()
        });
        self.jobs.send(job).map_err(|_| lost())?;
        answer.recv().map_err(|_| lost())?
    }
}

impl Session {
    async fn prepare(&self, sql: &str) -> Result<Statement, String> {
        let known = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let mut statement = self.client.prepare(sql).await.map_err(|error| said(&error))?;
        if statement.columns().iter().any(|column| !value::is_known(column.type_())) {
            statement = self.client.prepare(&value::as_text(sql, statement.columns())).await.map_err(|e| said(&e))?;
        }
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if prepared.len() >= KEPT {
            prepared.clear();
        }
        prepared.insert(sql.to_string(), statement.clone());
        Ok(statement)
    }

    async fn execute(&self, statement: &Statement, parameters: &[Cell]) -> Result<u64, String> {
        let parameters: Vec<&(dyn ToSql + Sync)> = parameters.iter().map(|cell| cell as _).collect();
        self.client.execute(statement, &parameters).await.map_err(|error| said(&error))
    }

    async fn rows(&self, sql: &str, parameters: Vec<Cell>, to: &SyncSender<Piece>) -> Result<(), String> {
        let statement = self.prepare(sql).await?;
        let names = statement.columns().iter().map(|column| column.name().to_string()).collect();
        if to.send(Piece::Columns(names)).is_err() {
            return Ok(()); // nobody asks for more
        }
        let rows = self.client.query_raw(&statement, &parameters).await.map_err(|error| said(&error))?;
        let mut rows = std::pin::pin!(rows.ready_chunks(AT_ONCE));
        while let Some(rows) = rows.next().await {
            let rows: Result<Vec<Vec<Cell>>, String> = rows
                .into_iter()
                .map(|row| row.and_then(|row| (0..row.len()).map(|at| row.try_get(at)).collect()).map_err(|e| said(&e)))
                .collect();
            if to.send(Piece::Rows(rows?)).is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl Database for Postgres {
    fn place(&self) -> &str {
        &self.place
    }

    fn clustered(&self) -> &'static str {
        ""
    }

    fn iso(&self, column: &str) -> String {
        let moment = format!("TIMESTAMP 'epoch' + {column} * INTERVAL '1 microsecond'");
        format!("to_char({moment}, 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
    }

    fn comments(&self, sql: &str) -> String {
        super::schema::comments(sql)
    }

    fn question(&self, sql: &str) -> String {
        // Nothing that writes, or leaves the server, can be a part of another query.
        format!("SELECT * FROM (\n{}\n) AS answer", sql.trim().trim_end_matches(';'))
    }

    fn script(&mut self, sql: &str) -> Result<(), String> {
        let sql = sql.to_string();
        self.ask(|session| async move { session.client.batch_execute(&sql).await.map_err(|error| said(&error)) })
    }

    fn execute(&mut self, sql: &str, parameters: &[Cell]) -> Result<u64, String> {
        let (sql, parameters) = (sql.to_string(), parameters.to_vec());
        self.ask(|session| async move {
            let statement = session.prepare(&sql).await?;
            session.execute(&statement, &parameters).await
        })
    }

    fn execute_all(&mut self, sql: &str, rows: Vec<Vec<Cell>>) -> Result<(), String> {
        let sql = sql.to_string();
        self.ask(|session| async move {
            let statement = session.prepare(&sql).await?;
            for some in rows.chunks(IN_FLIGHT) {
                try_join_all(some.iter().map(|row| session.execute(&statement, row))).await?;
            }
            Ok(())
        })
    }

    fn rows(&mut self, sql: &str, parameters: &[Cell], see: See<'_>) -> Result<(), String> {
        let (to, pieces) = sync_channel(2);
        let (sql, parameters) = (sql.to_string(), parameters.to_vec());
        let job: Job = Box::new(move |session| {
            async move {
                let done = session.rows(&sql, parameters, &to).await;
                let _ = to.send(Piece::End(done));
            }
            .boxed()
        });
        self.jobs.send(job).map_err(|_| lost())?;
        loop {
            match pieces.recv().map_err(|_| lost())? {
                Piece::Columns(names) => {
                    if see(Seen::Columns(&names.iter().map(String::as_str).collect::<Vec<_>>())).is_break() {
                        return Ok(());
                    }
                }
                Piece::Rows(rows) => {
                    if rows.iter().any(|row| see(Seen::Row(row)).is_break()) {
                        return Ok(());
                    }
                }
                Piece::End(done) => return done,
            }
        }
    }

    fn begin(&mut self) -> Result<(), String> {
        self.is_open = true;
        // One writer at a time, as in SQLite.
        self.script("BEGIN; SELECT pg_advisory_xact_lock(hashtext('agent ' || current_schema()))")
    }

    fn commit(&mut self) -> Result<(), String> {
        self.script("COMMIT")?;
        self.is_open = false;
        Ok(())
    }

    fn rollback(&mut self) {
        if std::mem::take(&mut self.is_open) {
            let _ = self.script("ROLLBACK"); // the server has done so where the connection is lost
        }
    }

    fn insert(&mut self, rows: &mut Vec<Measurement>) -> Result<(), String> {
        const INSERT: &str = "INSERT INTO measurement (series, time, value) \
                              SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::double precision[]) \
                              ON CONFLICT DO NOTHING RETURNING series, time";
        let series: Vec<i64> = rows.iter().map(|row| row.series).collect();
        let times: Vec<i64> = rows.iter().map(|row| row.time).collect();
        let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
        let inserted = self.ask(|session| async move {
            let statement = session.prepare(INSERT).await?;
            let found = session.client.query(&statement, &[&series, &times, &values]).await.map_err(|e| said(&e))?;
            Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect::<std::collections::HashSet<(i64, i64)>>())
        })?;
        if inserted.len() < rows.len() {
            rows.retain(|row| inserted.contains(&(row.series, row.time)));
        }
        Ok(())
    }
}

fn lost() -> String {
    "its thread has ended, which is a bug".to_string()
}

/// What the server says, or why it cannot be heard.
fn said(error: &tokio_postgres::Error) -> String {
    if let Some(refused) = error.as_db_error() {
        let detail = refused.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        return format!("{}{detail}", refused.message());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
