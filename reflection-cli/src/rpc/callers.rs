// SPDX-License-Identifier: GPL-3.0-or-later
//! Those who are connected. Who asks for nothing gives way to who comes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Callers at once; who comes then waits until one has gone.
const CALLERS_MAX: usize = 64;
/// Who has asked for nothing for less than this may just be about to.
const IDLE_MIN: Duration = Duration::from_secs(5);
/// How often it is looked for one who can be sent away.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// See the module. Lives on the one thread that serves callers.
pub(super) struct Callers {
    places: Arc<Semaphore>,
    all: RefCell<Vec<Rc<Caller>>>,
}

/// One of them.
#[derive(Default)]
pub(super) struct Caller {
    /// Since when it asks for nothing.
    idle_since: Cell<Option<Instant>>,
    sent_away: Notify,
}

/// A caller's place, given back when dropped.
pub(super) struct Place {
    pub(super) caller: Rc<Caller>,
    callers: Rc<Callers>,
    _permit: OwnedSemaphorePermit,
}

impl Callers {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(CALLERS_MAX)),
            all: RefCell::default(),
        }
    }

    /// A place for who has come: if there is none, that of the first who goes, or of who has asked
    /// for nothing for the longest time.
    pub(super) async fn admit(self: &Rc<Self>) -> Option<Place> {
        let permit = loop {
            let place = Arc::clone(&self.places).acquire_owned();
            match tokio::time::timeout(LOOK_INTERVAL, place).await {
                Ok(permit) => break permit.ok()?,
                Err(_) => self.make_room(),
            }
        };
        let caller = Rc::new(Caller::default());
        self.all.borrow_mut().push(Rc::clone(&caller));
        Some(Place {
            caller,
            callers: Rc::clone(self),
            _permit: permit,
        })
    }

    /// Sends away who has asked for nothing for the longest time.
    fn make_room(&self) {
        let all = self.all.borrow();
        let idle = all.iter().filter(|caller| {
            let since = caller.idle_since.get();
            since.is_some_and(|since| since.elapsed() >= IDLE_MIN)
        });
        if let Some(longest) = idle.min_by_key(|caller| caller.idle_since.get()) {
            longest.idle_since.set(None);
            longest.sent_away.notify_one();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let is_other = |caller: &Rc<Caller>| !Rc::ptr_eq(caller, &self.caller);
        self.callers.all.borrow_mut().retain(is_other);
    }
}

impl Caller {
    /// Waits for what the caller sends; `None` where the place is wanted by somebody else.
    pub(super) async fn idle<T>(&self, next: impl Future<Output = T>) -> Option<T> {
        self.idle_since.set(Some(Instant::now()));
        let next = tokio::select! {
            next = next => Some(next),
            () = self.sent_away.notified() => None,
        };
        self.idle_since.set(None);
        next
    }
}
