// SPDX-License-Identifier: GPL-3.0-or-later
//! The one thread that writes: group commit of whatever waits.
//!
//! A job runs inside a savepoint of the current transaction. One that fails is rolled back alone;
//! if the transaction itself fails, every job in it does. Only after the commit are the callers
//! answered. `C` is what jobs may use besides the connection: the application lives there.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::error::Uncommitted;
use super::{StoreError, storage};

/// Jobs that may wait; more callers wait themselves.
const QUEUE_JOBS_MAX: usize = 1024;
/// Most jobs joined into one transaction, which bounds how long a commit can take.
const GROUP_JOBS_MAX: usize = 256;

/// How long what need not wait for the disk may wait for more of its kind, where there is much.
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// It waits a millisecond for each job of the last tenth of a second beyond these few.
const LOAD_TIME: Duration = Duration::from_millis(100);
const LOAD_FREE: f64 = 6.0;

/// How often it is tried to empty the write-ahead log while others read.
const CHECKPOINT_ATTEMPTS: u32 = 10;

/// When a caller may be told that its write is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Durability {
    /// After the commit: survives the end of the process, but not a power cut.
    Refetchable,
    /// After the disk has it.
    Durable,
}

type Answer = Box<dyn FnOnce(Result<(), Uncommitted>) + Send>;

/// Gives whether what was written is to be kept, and how to answer the caller.
type Run<C> = Box<dyn FnOnce(&Connection, &mut C) -> (bool, Answer) + Send>;

/// Work for the writing thread, with the way to answer whoever waits for it.
pub(crate) struct Job<C> {
    durability: Durability,
    run: Run<C>,
}

impl<C> Job<C> {
    /// A job whose result goes to `answer` once it is known whether it was committed.
    pub(crate) fn new<T, E, F, A>(durability: Durability, job: F, answer: A) -> Self
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection, &mut C) -> Result<T, E> + Send + 'static,
        A: FnOnce(Result<T, E>) + Send + 'static,
    {
        let run = Box::new(move |connection: &Connection, context: &mut C| {
            let result = job(connection, context);
            let is_kept = result.is_ok();
            let finish: Answer = Box::new(move |committed: Result<(), Uncommitted>| {
                answer(match committed {
                    Ok(()) => result,
                    Err(reason) => result.and(Err(StoreError::from(reason).into())),
                });
            });
            (is_kept, finish)
        });
        Self { durability, run }
    }

    /// Whether the disk is to have it before its caller is answered.
    #[cfg(feature = "testing")]
    pub(crate) fn is_durable(&self) -> bool {
        self.durability == Durability::Durable
    }
}

/// For what SQLite does outside of transactions only.
type Outside = Box<dyn FnOnce(&Connection) + Send>;

enum Message<C> {
    Job(Job<C>),
    Outside(Outside),
    Stop(oneshot::Sender<()>),
}

/// The writing thread.
pub(crate) struct Writer<C> {
    handle: WriterHandle<C>,
    thread: Option<JoinHandle<()>>,
}

/// A way to give jobs to the writing thread.
pub(crate) struct WriterHandle<C> {
    jobs: async_channel::Sender<Message<C>>,
}

impl<C> Clone for WriterHandle<C> {
    fn clone(&self) -> Self {
        Self {
            jobs: self.jobs.clone(),
        }
    }
}

impl<C: Send + 'static> Writer<C> {
    /// Starts the thread. It owns the connection and the context until it stops.
    pub(crate) fn spawn(connection: Connection, context: C) -> std::io::Result<Self> {
        let (jobs, queue) = async_channel::bounded(QUEUE_JOBS_MAX);
        let clock = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || write(connection, context, &queue, &clock))?;
        Ok(Self {
            handle: WriterHandle { jobs },
            thread: Some(thread),
        })
    }

    pub(crate) fn handle(&self) -> WriterHandle<C> {
        self.handle.clone()
    }

    /// Finishes what waits, closes the database and ends the thread.
    pub(crate) async fn stop(mut self) {
        let (stopped, wait) = oneshot::channel();
        if self.handle.jobs.send(Message::Stop(stopped)).await.is_ok() {
            let _ = wait.await;
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<C: Send + 'static> WriterHandle<C> {
    /// Runs `job` in the next transaction and gives its result once that is committed.
    pub(crate) async fn run<T, E, F>(&self, durability: Durability, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection, &mut C) -> Result<T, E> + Send + 'static,
    {
        self.run_then(durability, job, |_| {}).await
    }

    /// Runs `work` between two transactions.
    pub(crate) async fn outside<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let work = Box::new(move |connection: &Connection| {
            let _ = sender.send(work(connection));
        });
        self.jobs
            .send(Message::Outside(work))
            .await
            .map_err(|_| StoreError::Closed)?;
        receiver.await.map_err(|_| StoreError::Closed)?
    }

    /// Moves everything from the write-ahead log into the database and empties the log. Somebody
    /// who reads may be in the way for a while; others write between the attempts.
    pub(crate) async fn checkpoint(&self) -> Result<(), StoreError> {
        for _ in 0..CHECKPOINT_ATTEMPTS {
            if self.outside(storage::empty_log).await? {
                return Ok(());
            }
        }
        Err(StoreError::Busy)
    }

    /// Like [`WriterHandle::run`]; `then` is called right after the commit, even if the caller
    /// does not wait any more: whoever must be told of a commit is told.
    pub(crate) async fn run_then<T, E, F, N>(
        &self,
        durability: Durability,
        job: F,
        then: N,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection, &mut C) -> Result<T, E> + Send + 'static,
        N: FnOnce(&T) + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel::<Result<T, E>>();
        let job = Job::new(durability, job, move |result: Result<T, E>| {
            let _ = sender.send(result.inspect(|value| then(value)));
        });
        self.jobs
            .send(Message::Job(job))
            .await
            .map_err(|_| E::from(StoreError::Closed))?;
        // A job that is dropped unrun was in a group whose transaction could not begin.
        receiver.await.unwrap_or_else(|_| {
            Err(StoreError::Commit("the database is busy or closed".into()).into())
        })
    }
}

/// The connection that writes, and what its jobs use besides.
pub(crate) struct Committer<C> {
    pub(crate) connection: Connection,
    pub(crate) context: C,
    synchronous: Durability,
}

impl<C> Committer<C> {
    pub(crate) fn new(connection: Connection, context: C) -> Self {
        Self {
            connection,
            context,
            synchronous: Durability::Durable,
        }
    }

    /// Runs jobs in one transaction and answers their callers.
    pub(crate) fn commit(&mut self, group: Vec<Job<C>>) {
        commit(
            &mut self.connection,
            &mut self.context,
            &mut self.synchronous,
            group,
        );
    }
}

/// How much there was to do lately.
struct Load {
    /// Jobs of some tenth of a second; older ones count less and less.
    jobs: f64,
    seen: Instant,
}

impl Load {
    fn new() -> Self {
        Self {
            jobs: 0.0,
            seen: Instant::now(),
        }
    }

    #[allow(clippy::cast_precision_loss)]
    fn done(&mut self, jobs: usize, now: Instant) {
        let since = now.saturating_duration_since(self.seen);
        let faded = self.jobs * (-since.as_secs_f64() / LOAD_TIME.as_secs_f64()).exp();
        self.jobs = faded + jobs as f64;
        self.seen = now;
    }

    /// How long after the last transaction the next one is to begin. Where a few people write that
    /// is at once. Where many do, each transaction wakes everybody, and a few milliseconds make one
    /// of several.
    fn pause(&self) -> Duration {
        let pause = (self.jobs - LOAD_FREE).max(0.0) / 1000.0;
        Duration::from_secs_f64(pause.min(PAUSE_MAX.as_secs_f64()))
    }
}

/// What is done at once.
struct Group<C> {
    jobs: Vec<Job<C>>,
    outside: Option<Outside>,
    stop: Option<oneshot::Sender<()>>,
}

impl<C> Group<C> {
    fn new(first: Message<C>) -> Self {
        let mut group = Self {
            jobs: Vec::new(),
            outside: None,
            stop: None,
        };
        group.add(first);
        group
    }

    fn add(&mut self, message: Message<C>) {
        match message {
            Message::Job(job) => self.jobs.push(job),
            Message::Outside(work) => self.outside = Some(work),
            Message::Stop(stopped) => self.stop = Some(stopped),
        }
    }

    fn has_room(&self) -> bool {
        self.stop.is_none() && self.outside.is_none() && self.jobs.len() < GROUP_JOBS_MAX
    }

    /// Whether somebody is waiting who may not be kept so.
    fn is_urgent(&self) -> bool {
        let is_durable = |job: &Job<C>| job.durability == Durability::Durable;
        !self.has_room() || self.jobs.iter().any(is_durable)
    }
}

fn write<C>(
    connection: Connection,
    context: C,
    queue: &async_channel::Receiver<Message<C>>,
    clock: &Runtime,
) {
    let mut committer = Committer::new(connection, context);
    let mut load = Load::new();
    while let Ok(first) = queue.recv_blocking() {
        let mut group = Group::new(first);
        let due = load.seen + load.pause();
        loop {
            while group.has_room()
                && let Ok(next) = queue.try_recv()
            {
                group.add(next);
            }
            if group.is_urgent() || due <= Instant::now() {
                break;
            }
            let next =
                clock.block_on(async { tokio::time::timeout_at(due.into(), queue.recv()).await });
            match next {
                Ok(Ok(next)) => group.add(next),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        let jobs = group.jobs.len();
        if jobs > 0 {
            committer.commit(group.jobs);
            load.done(jobs, Instant::now());
        }
        if let Some(work) = group.outside {
            work(&committer.connection);
        }
        if let Some(stopped) = group.stop {
            queue.close();
            let mut rest = Vec::new();
            while let Ok(message) = queue.try_recv() {
                if let Message::Job(job) = message {
                    rest.push(job);
                }
            }
            if !rest.is_empty() {
                committer.commit(rest);
            }
            // Closing checkpoints the write-ahead log into the database.
            drop(committer);
            let _ = stopped.send(());
            return;
        }
    }
}

fn commit<C>(
    connection: &mut Connection,
    context: &mut C,
    synchronous: &mut Durability,
    group: Vec<Job<C>>,
) {
    let mut answers = Vec::with_capacity(group.len());
    let committed = run_group(connection, context, synchronous, group, &mut answers);
    if let Err(error) = &committed {
        tracing::error!(%error, "a transaction failed");
        // A failed COMMIT can leave the transaction open.
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
    }
    let committed = committed.map_err(|error| Uncommitted::from(&error));
    for answer in answers {
        answer(committed.clone());
    }
}

fn run_group<C>(
    connection: &mut Connection,
    context: &mut C,
    synchronous: &mut Durability,
    group: Vec<Job<C>>,
    answers: &mut Vec<Answer>,
) -> Result<(), StoreError> {
    let wanted = group
        .iter()
        .map(|job| job.durability)
        .max()
        .unwrap_or(Durability::Durable);
    if wanted != *synchronous {
        let level = if wanted == Durability::Durable {
            "FULL"
        } else {
            "NORMAL"
        };
        connection.pragma_update(None, "synchronous", level)?;
        *synchronous = wanted;
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for job in group {
        connection.execute_batch("SAVEPOINT job")?;
        let (is_kept, answer) = (job.run)(connection, context);
        answers.push(answer);
        if connection.is_autocommit() {
            // SQLite rolls the whole transaction back by itself on a full disk.
            return Err(StoreError::Commit(
                "the disk is full or cannot be written".into(),
            ));
        }
        if !is_kept {
            connection.execute_batch("ROLLBACK TO job")?;
        }
        connection.execute_batch("RELEASE job")?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Whoever waits for a job is told what the transaction failed of, by its own words.
    fn told(committed: Result<(), Uncommitted>) -> Result<u8, StoreError> {
        let (sender, receiver) = std::sync::mpsc::channel();
        let job = Job::new(
            Durability::Durable,
            |_: &Connection, (): &mut ()| Ok::<_, StoreError>(7),
            move |result| sender.send(result).unwrap(),
        );
        let connection = Connection::open_in_memory().unwrap();
        let (is_kept, answer) = (job.run)(&connection, &mut ());
        assert!(is_kept);
        answer(committed);
        receiver.recv().unwrap()
    }

    #[test]
    fn a_full_disk_that_is_noticed_at_the_commit_is_told_as_one() {
        assert_eq!(told(Ok(())).unwrap(), 7);
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let full = StoreError::from(rusqlite::Error::SqliteFailure(code, None));
        let error = told(Err(Uncommitted::from(&full))).unwrap_err();
        assert!(error.is_disk_full(), "{error:?}");
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
        let other = StoreError::from(rusqlite::Error::SqliteFailure(code, None));
        let error = told(Err(Uncommitted::from(&other))).unwrap_err();
        assert!(!error.is_disk_full(), "{error:?}");
    }

    /// How long the writing thread pauses when so many jobs have come each second for a while.
    fn pause_at(jobs_a_second: u64) -> Duration {
        let (mut load, interval) = (
            Load::new(),
            Duration::from_micros(1_000_000 / jobs_a_second),
        );
        let mut now = load.seen;
        for _ in 0..jobs_a_second {
            now += interval;
            load.done(1, now);
        }
        load.pause()
    }

    #[test]
    fn transactions_wait_for_company_only_where_much_is_written() {
        assert_eq!(pause_at(20), Duration::ZERO);
        assert_eq!(pause_at(50), Duration::ZERO);
        let some = pause_at(150);
        assert!(some > Duration::from_millis(5) && some < Duration::from_millis(15));
        assert_eq!(pause_at(2_000), PAUSE_MAX);
        // What was long ago does not count.
        let mut load = Load::new();
        load.done(200, load.seen);
        assert_eq!(load.pause(), PAUSE_MAX);
        load.done(1, load.seen + Duration::from_secs(1));
        assert_eq!(load.pause(), Duration::ZERO);
    }
}
