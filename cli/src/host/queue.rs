//! Threads that are used again, and a queue for backends that take few calls at once.

use super::wait::interrupted;
use crate::interrupt;
use sigtool_sdk::Result;
use sigtool_sdk::connection::Connection;
use sigtool_sdk::services::Services;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use zeroize::Zeroizing;

type Job = Box<dyn FnOnce() + Send>;

/// Plain threads, started as they are needed. A job that never ends keeps its thread; the others go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Workers {
    idle: Arc<Mutex<Vec<Sender<Job>>>>,
}

impl Workers {
    /// Runs a job on a thread of its own; what it gives comes over the channel.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Receiver<T> {
        let (sender, receiver) = channel();
        let mut job: Job = Box::new(move || {
            let _ = sender.send(job());
        });
        loop {
            let worker = self.lock().pop();
            let Some(worker) = worker else { break };
            match worker.send(job) {
                Ok(()) => return receiver,
                Err(unsent) => job = unsent.0,
            }
        }
        let (worker, jobs) = channel::<Job>();
        let idle = Arc::downgrade(&self.idle);
        std::thread::spawn(move || {
            job();
            loop {
                let Some(idle) = idle.upgrade() else { return };
                idle.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(worker.clone());
                drop(idle);
                match jobs.recv() {
                    Ok(next) => next(),
                    Err(_) => return,
                }
            }
        });
        receiver
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Sender<Job>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that lets through as many calls at once as its backend takes, and none after Ctrl-C.
pub(super) struct Queued {
    inner: Box<dyn Connection>,
    free: Mutex<u32>,
    freed: Condvar,
}

impl Queued {
    pub(super) fn new(inner: Box<dyn Connection>, max_in_flight: u32) -> Self {
        Self {
            inner,
            free: Mutex::new(max_in_flight.max(1)),
            freed: Condvar::new(),
        }
    }
}

impl Connection for Queued {
    fn carry(
        &self,
        id: u64,
        request: &[u8],
        deadline: Option<Duration>,
        services: &Arc<dyn Services>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self
            .freed
            .wait_while(free, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        drop(free);
        let answer = if interrupt::requested() {
            Err(interrupted())
        } else {
            self.inner.carry(id, request, deadline, services)
        };
        *self.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.freed.notify_one();
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_hangs_does_not_stop_the_next() {
        let workers = Workers::default();
        let (_keep, never) = channel::<()>();
        let hung = workers.run(move || never.recv());
        assert_eq!(workers.run(|| 7).recv(), Ok(7));
        assert_eq!(workers.run(|| 8).recv(), Ok(8));
        assert!(hung.try_recv().is_err());
    }
}
