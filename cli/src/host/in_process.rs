//! A backend in this process. Its calls run on threads of their own, so that one that hangs can be left behind.

use crate::host::outside::Outside;
use crate::host::protocol::checked;
use crate::host::queue::Workers;
use crate::host::wait::wait;
use sigtool_sdk::Result;
use sigtool_sdk::abi::{Plugin, Table};
use sigtool_sdk::connection::{Calls, Connection};
use sigtool_sdk::message::Hello;
use sigtool_sdk::services::Services;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// An instance in this process.
pub(super) struct InProcess {
    plugin: Arc<Plugin>,
    calls: Arc<Calls>,
    workers: Workers,
    outside: Outside,
}

impl InProcess {
    /// Makes an instance of a loaded library.
    pub(super) fn start(
        table: Table,
        hello: &Hello,
        trace: Arc<dyn Services>,
        outside: Outside,
    ) -> Result<Self> {
        let calls = Calls::new(trace);
        let channel = Arc::clone(&calls);
        let plugin = table.create(hello, channel)?;
        Ok(Self {
            plugin: Arc::new(plugin),
            calls,
            workers: Workers::default(),
            outside,
        })
    }

    /// What the backend said first.
    pub(super) fn hello(&self) -> &Hello {
        self.plugin.hello()
    }
}

impl Connection for InProcess {
    fn carry(
        &self,
        id: u64,
        request: &[u8],
        deadline: Option<Duration>,
        services: &Arc<dyn Services>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        self.calls.begin(id, services);
        let request = Zeroizing::new(request.to_vec());
        let (plugin, calls) = (Arc::clone(&self.plugin), Arc::clone(&self.calls));
        let answer = self.workers.run(move || {
            let answer = plugin.call(id, &request);
            calls.end(id);
            answer
        });
        let waited = wait(&self.calls, &answer, id, deadline, || {
            self.plugin.cancel(id);
        })?;
        checked(id, waited.reply()?, &|said| self.outside.line(said))
    }
}
