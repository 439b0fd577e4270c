//! Digests of a file (SHA-2, FIPS 180-4): one pass over its bytes, whatever its size and the number of algorithms.

use crate::failure::reading;
use crate::file::OpenFile;
use crate::text::clean;
use aws_lc_rs::digest::{Context, SHA256, SHA384, SHA512};
use sigtool_sdk::host::Progress;
use sigtool_sdk::source::Prefixed;
use sigtool_sdk::text::quoted_path;
use sigtool_sdk::types::{Digest, DigestAlgorithm};
use sigtool_sdk::{Call, Error, ErrorCode, Result};
use std::time::{Duration, Instant};

/// What is read at once, in bytes: long enough that a system call costs nothing beside the hashing, short enough to stay in
/// the processor's cache. Also the memory that a file takes, however large.
const CHUNK: usize = 1024 * 1024;

/// Below this size, in bytes, a file is done before anybody could read its progress.
const SHOWS_PROGRESS: u64 = 64 * 1024 * 1024;

/// How often progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// What one pass over a file gave.
#[derive(Debug)]
pub(crate) struct Digests {
    /// One for each algorithm, in the order given; an algorithm named twice counts once.
    pub(crate) plain: Vec<Digest>,
    /// One for each prefix, in the order given.
    pub(crate) prefixed: Vec<Digest>,
}

/// The digests of an open file, with nothing before it and with prefixes.
///
/// # Errors
///
/// - `integrity`: there were fewer or more bytes than the file had when it was opened.
/// - `cancelled`, `timeout`: the host gave up.
pub(crate) fn digests(
    call: &Call,
    file: &OpenFile,
    algorithms: &[DigestAlgorithm],
    prefixed: &[Prefixed],
) -> Result<Digests> {
    let mut plain: Vec<Hash> = Vec::new();
    for algorithm in algorithms {
        if !plain.iter().any(|known| known.algorithm == *algorithm) {
            plain.push(Hash::after(*algorithm, &[]));
        }
    }
    let mut prefixed: Vec<Hash> = prefixed
        .iter()
        .map(|asked| Hash::after(asked.algorithm, &asked.prefix))
        .collect();
    if !plain.is_empty() || !prefixed.is_empty() {
        read_once(call, file, |chunk| {
            for hash in plain.iter_mut().chain(&mut prefixed) {
                hash.context.update(chunk);
            }
        })?;
    }
    Ok(Digests {
        plain: finish(plain)?,
        prefixed: finish(prefixed)?,
    })
}

fn finish(hashes: Vec<Hash>) -> Result<Vec<Digest>> {
    hashes.into_iter().map(Hash::finish).collect()
}

/// A digest in the making.
struct Hash {
    algorithm: DigestAlgorithm,
    context: Context,
}

impl Hash {
    /// Begins with some bytes that stand before the file's.
    fn after(algorithm: DigestAlgorithm, prefix: &[u8]) -> Self {
        let mut context = Context::new(match algorithm {
            DigestAlgorithm::Sha256 => &SHA256,
            DigestAlgorithm::Sha384 => &SHA384,
            DigestAlgorithm::Sha512 => &SHA512,
        });
        context.update(prefix);
        Self { algorithm, context }
    }

    fn finish(self) -> Result<Digest> {
        Digest::new(self.algorithm, self.context.finish().as_ref().to_vec())
            .map_err(|e| Error::new(ErrorCode::Internal, "a digest of the wrong length").because(e))
    }
}

/// Reads the file from its begin to the end that it had when it was opened. A file that grows is noticed by its first byte too
/// many, so that it is never followed.
fn read_once(call: &Call, file: &OpenFile, mut take: impl FnMut(&[u8])) -> Result<()> {
    read_ahead(file);
    let size = file.size();
    let mut buffer = vec![0; buffer_size(size)];
    let mut meter = Meter::new(call, file);
    let mut done = 0;
    loop {
        call.check()?;
        let count = file
            .read_at(&mut buffer, done)
            .map_err(|e| reading(file.path(), &e))?;
        if count == 0 {
            break;
        }
        done += count as u64;
        if done > size {
            return Err(file.changed(format!("it had {size} bytes at first, and has more now")));
        }
        take(&buffer[..count]);
        meter.show(done);
    }
    if done < size {
        return Err(file.changed(format!(
            "it had {size} bytes at first, and only {done} could be read"
        )));
    }
    Ok(())
}

/// One byte more than a small file has, so that a single call reads it and sees its end.
fn buffer_size(size: u64) -> usize {
    usize::try_from(size).map_or(CHUNK, |size| size.saturating_add(1).min(CHUNK))
}

/// Tells the kernel to read ahead generously. Only advice: where it is refused, reading is as right as before.
fn read_ahead(file: &OpenFile) {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    if file.size() > CHUNK as u64 {
        let _ = rustix::fs::fadvise(file.descriptor(), 0, None, rustix::fs::Advice::Sequential);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    let _ = file;
}

/// Shows progress, not too often.
struct Meter<'a> {
    call: &'a Call<'a>,
    message: Option<String>,
    total: u64,
    next: Instant,
}

impl<'a> Meter<'a> {
    fn new(call: &'a Call<'a>, file: &OpenFile) -> Self {
        let name = file.path().file_name().unwrap_or_default();
        Self {
            call,
            message: (file.size() >= SHOWS_PROGRESS).then(|| {
                let name = clean(&name.to_string_lossy());
                format!(
                    "hashing {}",
                    name.unwrap_or_else(|| quoted_path(file.path()).to_string())
                )
            }),
            total: file.size(),
            next: Instant::now() + PROGRESS_EVERY,
        }
    }

    fn show(&mut self, done: u64) {
        let Some(message) = &self.message else { return };
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + PROGRESS_EVERY;
        self.call.progress(&Progress {
            message: message.clone(),
            done,
            total: Some(self.total),
            unit: Some("bytes".to_owned()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Found, find};
    use crate::testing::{Host, with_call};
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::path::Path;
    use std::sync::atomic::Ordering;

    fn opened(path: &Path) -> OpenFile {
        match find(path).unwrap() {
            Found::File(file) => file,
            Found::Folder => panic!("a folder"),
        }
    }

    #[test]
    fn one_pass_gives_every_digest_that_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let asked = [
            DigestAlgorithm::Sha512,
            DigestAlgorithm::Sha256,
            DigestAlgorithm::Sha384,
            DigestAlgorithm::Sha256,
        ];
        let found = with_call(|call| digests(call, &opened(&path), &asked, &[])).unwrap();
        // FIPS 180-4, the examples of NIST.
        let expected = [
            "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ];
        let found: Vec<String> = found.plain.iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_same_pass_gives_digests_after_a_prefix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content = vec![7; CHUNK + 1];
        std::fs::write(&path, &content).unwrap();
        let ask = |algorithm, prefix: &[u8]| Prefixed {
            algorithm,
            prefix: prefix.into(),
        };
        // One that is asked for twice is answered twice: the answers are told apart by their places.
        let asked = [
            ask(DigestAlgorithm::Sha512, b"one"),
            ask(DigestAlgorithm::Sha256, b"two"),
            ask(DigestAlgorithm::Sha512, b""),
            ask(DigestAlgorithm::Sha512, b"one"),
        ];
        let plain = [DigestAlgorithm::Sha512];
        let found = with_call(|call| digests(call, &opened(&path), &plain, &asked)).unwrap();
        let whole = |of, prefix: &[u8]| {
            aws_lc_rs::digest::digest(of, &[prefix, &content].concat())
                .as_ref()
                .to_vec()
        };
        let prefixed: Vec<_> = found.prefixed.iter().map(|d| d.as_bytes()).collect();
        assert_eq!(
            prefixed,
            [
                whole(&SHA512, b"one"),
                whole(&SHA256, b"two"),
                whole(&SHA512, b""),
                whole(&SHA512, b"one"),
            ]
        );
        assert_eq!(found.plain[0].as_bytes(), whole(&SHA512, b""));
        // Without a digest of the file alone as well.
        let alone = with_call(|call| digests(call, &opened(&path), &[], &asked)).unwrap();
        assert_eq!((alone.plain, alone.prefixed), (vec![], found.prefixed));
    }

    #[test]
    fn a_file_of_several_chunks_and_an_empty_one_hash_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
            let content: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            std::fs::write(&path, &content).unwrap();
            let found = with_call(|call| {
                digests(call, &opened(&path), &[DigestAlgorithm::Sha256], &[]).unwrap()
            });
            let whole = aws_lc_rs::digest::digest(&SHA256, &content);
            assert_eq!(found.plain[0].as_bytes(), whole.as_ref(), "{size} bytes");
        }
    }

    #[test]
    fn a_file_that_shrank_or_grew_is_no_artifact() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for (after, expected) in [
            (2, "it had 3 bytes at first, and only 2 could be read"),
            (9, "it had 3 bytes at first, and has more now"),
        ] {
            std::fs::write(&path, "abc").unwrap();
            let file = opened(&path);
            OpenOptions::new()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(after)
                .unwrap();
            let error = with_call(|call| digests(call, &file, &[DigestAlgorithm::Sha256], &[]))
                .unwrap_err();
            assert_eq!(error.code, ErrorCode::Integrity);
            assert_eq!(error.causes, [expected]);
        }
    }

    #[test]
    fn a_file_that_keeps_growing_ends_the_call() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, vec![7; 2 * CHUNK]).unwrap();
        let file = opened(&path);
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut log = OpenOptions::new().append(true).open(&path).unwrap();
                // An end for the disk's sake, far beyond what a reader that stops needs.
                for _ in 0..2000 {
                    log.write_all(&[7; 4096]).unwrap();
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            // Only what is written meanwhile makes a file grow.
            while path.metadata().unwrap().len() == 2 * CHUNK as u64 {
                std::thread::yield_now();
            }
            let result = with_call(|call| digests(call, &file, &[DigestAlgorithm::Sha512], &[]));
            stop.store(true, Ordering::Relaxed);
            assert_eq!(result.unwrap_err().code, ErrorCode::Integrity);
        });
    }

    #[test]
    fn cancelling_stops_a_large_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let sparse = std::fs::File::create(&path).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let host = Host::default();
        host.cancel_after(5);
        let error = digests(
            &host.call(),
            &opened(&path),
            &[DigestAlgorithm::Sha256],
            &[],
        )
        .unwrap_err();
        assert_eq!(error.code, ErrorCode::Cancelled);
        assert!(host.checks() <= 6, "asked once a chunk");
    }

    #[test]
    fn progress_is_shown_for_large_files_only_and_ten_times_a_second_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large\u{1b}[2J.bin");
        let sparse = std::fs::File::create(&path).unwrap();
        for (size, shows) in [(SHOWS_PROGRESS - 1, false), (1 << 40, true)] {
            sparse.set_len(size).unwrap();
            let host = Host::default();
            let started = Instant::now();
            host.cancel_after_time(Duration::from_millis(350));
            let _ = digests(
                &host.call(),
                &opened(&path),
                &[DigestAlgorithm::Sha256],
                &[],
            );
            let most = started.elapsed().as_millis() / PROGRESS_EVERY.as_millis();
            let seen = host.progress();
            assert_eq!(!seen.is_empty(), shows, "{size} bytes");
            assert!(
                seen.len() as u128 <= most,
                "{} in {most} tenths",
                seen.len()
            );
            assert!(seen.iter().all(|text| !text.contains('\u{1b}')));
        }
    }
}
