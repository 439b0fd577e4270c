//! What is in a file of the state, and how one version of it becomes the next.

use rusqlite::Connection;
use std::collections::BTreeSet;

/// What a file is for, and what is in it.
#[derive(Debug)]
pub(crate) struct Layout {
    /// What messages call it: `the local store`.
    pub(crate) what: &'static str,
    /// What makes the tables of each version from those of the version before; those of the first from nothing. SQLite's `user_version`
    /// says how many of them have run.
    ///
    /// One that was released never changes again: files of its version are compared with it. It only adds, since a file that is only
    /// read is read as it is, whatever its version.
    pub(crate) migrations: &'static [&'static str],
}

impl Layout {
    /// The version that all migrations make.
    pub(super) fn version(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }

    /// The migrations that made a version, and those that it still lacks.
    pub(super) fn split_at(&self, version: i64) -> (&[&'static str], &[&'static str]) {
        let made = usize::try_from(version).unwrap_or_default();
        self.migrations.split_at(made.min(self.migrations.len()))
    }

    /// The tables, indexes, views and triggers in a file that are not as its own version made them.
    pub(crate) fn changed(&self, connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
        let made = Connection::open_in_memory()?;
        for migration in self.split_at(user_version(connection)?).0 {
            made.execute_batch(migration)?;
        }
        let (made, found) = (schema(&made)?, schema(connection)?);
        let changed = made.symmetric_difference(&found);
        Ok(changed.map(|[name, ..]| name.clone()).collect())
    }
}

/// How many migrations have run on a file.
pub(super) fn user_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Name, kind, table and definition of all that there is.
fn schema(connection: &Connection) -> rusqlite::Result<BTreeSet<[String; 4]>> {
    let mut query = connection
        .prepare("SELECT name, type, tbl_name, coalesce(sql, '') FROM main.sqlite_schema")?;
    let rows = query.query_map([], |row| {
        Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
    })?;
    rows.collect()
}
