use std::time::Duration;

use super::format::{parse, print};
use super::{HEAD_FORMAT, Head, Lease, RELEASE_FORMAT, ROLLOUT_FORMAT, Release, Rollout, Work};
use crate::error::Error;
use crate::names::LayerName;
use crate::ports::{Created, Etag, Key, Payload, Ports, Replaced, Store};
use crate::report::Happening;

/// Tries to write a head against other writers before giving up; each loss means that another one won.
const WRITES_MAX: u32 = 10;

/// A publisher, as its leases name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Its name; [`crate::ports::Peers`] knows it.
    pub name: String,
    /// How long a lease lasts. It must exceed the longest run: Lambda ends one after 900 seconds.
    pub lease: Duration,
}

/// One run's view of a layer's head: read once, then changed only by replace-if-unchanged.
pub struct Session<'a> {
    ports: &'a Ports,
    owner: &'a Owner,
    layer: LayerName,
    head: Head,
    etag: Option<Etag>,
    /// Whether this run has taken the lease and not given it back.
    took: Took,
    /// What this run wrote down that others want to be told of.
    happened: Vec<Happening>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Took {
    Lease,
    Nothing,
}

/// Whether a rollout's object was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It was not: the rollout begins.
    First,
    /// It was.
    Again,
}

/// Whether this run may change the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leased {
    /// It may, until its lease ends.
    Ours,
    /// Another publisher works on the layer.
    Theirs(Lease),
}

impl<'a> Session<'a> {
    /// Reads the head; a layer without one has no release yet.
    ///
    /// # Errors
    /// [`Error::Store`], and [`Error::State`] where the head cannot be understood.
    pub async fn open(
        ports: &'a Ports,
        owner: &'a Owner,
        layer: &LayerName,
    ) -> Result<Self, Error> {
        let (head, etag) = read_head(ports, layer).await?;
        let (took, happened) = (Took::Nothing, Vec::new());
        Ok(Self { ports, owner, layer: layer.clone(), head, etag, took, happened })
    }

    /// Keeps what happened for the run's report, however the run ends.
    pub(crate) fn tell(&mut self, happened: impl IntoIterator<Item = Happening>) {
        self.happened.extend(happened);
    }

    /// Returns what happened in this run.
    pub(crate) fn into_happened(self) -> Vec<Happening> {
        self.happened
    }

    /// Returns the head as it was last read or written.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the newest release: carried datasets come from it.
    ///
    /// # Errors
    /// [`Error::Store`], and [`Error::State`] where the record is missing or cannot be understood.
    pub async fn current_release(&self) -> Result<Option<Release>, Error> {
        match self.head.current() {
            Some(seq) => Ok(Some(self.release(seq).await?)),
            None => Ok(None),
        }
    }

    /// Returns the last stable release, where the newest one is another and is not stable: new data is compared with it.
    pub(crate) async fn stable_release(&self) -> Result<Option<Release>, Error> {
        let stable = self.head.last_stable().filter(|stable| self.head.current() != Some(*stable));
        match stable {
            Some(seq) => read_release(self.ports.store.as_ref(), &self.layer, seq).await,
            None => Ok(None),
        }
    }

    /// Reads the record of a release that must exist.
    ///
    /// # Errors
    /// As [`Session::current_release`].
    pub async fn release(&self, seq: u64) -> Result<Release, Error> {
        let found = read_release(self.ports.store.as_ref(), &self.layer, seq).await?;
        found.ok_or_else(|| Error::State {
            key: Key::release(&self.layer, seq).to_string(),
            problem: "the head names this release, and its record is missing".to_owned(),
        })
    }

    /// Takes the lease, or learns who has it. A lease that ran out or whose owner is gone is taken over. One that this run
    /// had and lost is not taken again.
    pub(crate) async fn lease(&mut self, work: Work) -> Result<Leased, Error> {
        self.take_lease(work, |_| false).await
    }

    /// As [`Session::lease`], for a person's order, which does not wait for a publisher that moves no function.
    pub(crate) async fn lease_for_order(&mut self) -> Result<Leased, Error> {
        self.take_lease(Work::Moving, |lease| lease.work == Work::Preparing).await
    }

    async fn take_lease(
        &mut self,
        work: Work,
        gives_way: impl Fn(&Lease) -> bool,
    ) -> Result<Leased, Error> {
        for _ in 0..WRITES_MAX {
            let now = self.ports.clock.now();
            if self.took == Took::Lease && !self.holds_lease() {
                return Err(Error::LeaseLost { layer: self.layer.clone() });
            }
            if let Some(lease) = self.head.lease() {
                let free = lease.owner == self.owner.name
                    || lease.expires <= now
                    || gives_way(lease)
                    || self.ports.peers.is_gone(&lease.owner);
                if !free {
                    return Ok(Leased::Theirs(lease.clone()));
                }
            }
            let expires = now.saturating_add(self.owner.lease).unwrap_or(now);
            let mut next = self.head.clone();
            next.lease_to(&self.owner.name, expires, work);
            if self.write(next).await? {
                self.took = Took::Lease;
                return Ok(Leased::Ours);
            }
        }
        Err(self.contended())
    }

    /// Tells whether this run has the lease, and no one else may have taken it over by now.
    pub(crate) fn holds_lease_now(&self) -> bool {
        let now = self.ports.clock.now();
        self.holds_lease() && self.head.lease().is_some_and(|lease| now < lease.expires)
    }

    /// Tells whether this run has the lease.
    pub(crate) fn holds_lease(&self) -> bool {
        self.head.lease().is_some_and(|lease| lease.owner == self.owner.name)
    }

    /// Gives the lease back, with a last change.
    pub(crate) async fn release_lease(
        &mut self,
        mut change: impl FnMut(&mut Head),
    ) -> Result<(), Error> {
        self.change(|head| {
            change(head);
            head.end_lease();
        })
        .await?;
        self.took = Took::Nothing;
        Ok(())
    }

    /// Ends a run. One that failed gives its lease back where it can, so that the next one need not wait for it.
    pub(crate) async fn end<T>(&mut self, done: Result<T, Error>) -> Result<T, Error> {
        if done.is_err() && self.holds_lease() {
            let _runs_out_by_itself = self.release_lease(|_| ()).await;
        }
        done
    }

    /// Changes the head while holding the lease. Where someone else wrote it meanwhile (a pin), the change
    /// is made again on what they wrote.
    pub(crate) async fn change(&mut self, mut change: impl FnMut(&mut Head)) -> Result<(), Error> {
        for _ in 0..WRITES_MAX {
            if !self.holds_lease() {
                return Err(Error::LeaseLost { layer: self.layer.clone() });
            }
            let mut next = self.head.clone();
            change(&mut next);
            if self.write(next).await? {
                return Ok(());
            }
        }
        Err(self.contended())
    }

    /// Changes the head without the lease: for a person's orders, which win over a running publisher.
    pub(crate) async fn order(
        &mut self,
        mut change: impl FnMut(&mut Head) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for _ in 0..WRITES_MAX {
            let mut next = self.head.clone();
            change(&mut next)?;
            if next == self.head || self.write(next).await? {
                return Ok(());
            }
        }
        Err(self.contended())
    }

    /// Reads the head again: an order may have come.
    pub(crate) async fn read_again(&mut self) -> Result<(), Error> {
        (self.head, self.etag) = read_head(self.ports, &self.layer).await?;
        Ok(())
    }

    /// Reads the object of the open rollout; one that is not written yet begins empty.
    pub(crate) async fn rollout(&self) -> Result<Option<Rollout>, Error> {
        let Some(open) = self.head.rollout() else {
            return Ok(None);
        };
        let found = self.read_rollout(open.number).await?;
        let found = found.filter(|found| found.started == open.started && found.to == open.to);
        let rollout = found.unwrap_or_else(|| Rollout::of(&self.layer, open));
        Ok(Some(Rollout { promoted: open.promoted.clone(), ..rollout }))
    }

    /// Reads a rollout's object, if it was written.
    ///
    /// # Errors
    /// As [`Session::current_release`].
    pub async fn read_rollout(&self, number: u64) -> Result<Option<Rollout>, Error> {
        let key = Key::rollout(&self.layer, number);
        let stored = self.ports.store.read(&key).await;
        match stored.map_err(|source| Error::Store { key: key.to_string(), source })? {
            Some(stored) => Ok(Some(parse(&key, &stored.bytes, ROLLOUT_FORMAT)?)),
            None => Ok(None),
        }
    }

    /// Writes a rollout's object. The lease is held, so nobody else does.
    pub(crate) async fn write_rollout(&self, rollout: &Rollout) -> Result<Written, Error> {
        let key = Key::rollout(&self.layer, rollout.number);
        let fault = |source| Error::Store { key: key.to_string(), source };
        let (store, bytes) = (self.ports.store.as_ref(), print(rollout));
        for _ in 0..WRITES_MAX {
            let stored = store.read(&key).await.map_err(fault)?;
            let written = match stored {
                Some(stored) if stored.bytes == bytes => Some(Written::Again),
                Some(stored) => {
                    let replaced = store.replace(&key, &stored.etag, &bytes).await;
                    let done = matches!(replaced.map_err(fault)?, Replaced::Replaced(_));
                    done.then_some(Written::Again)
                }
                None => {
                    let created = store.create(&key, Payload::Bytes(&bytes)).await;
                    let done = matches!(created.map_err(fault)?, Created::Created(_));
                    done.then_some(Written::First)
                }
            };
            if let Some(written) = written {
                return Ok(written);
            }
        }
        Err(self.contended())
    }

    /// Writes a head over the one that was read; `false` where someone else was first, and then the head
    /// is read again. A reply that was lost is seen by what stands there.
    async fn write(&mut self, next: Head) -> Result<bool, Error> {
        let (store, key) = (self.ports.store.as_ref(), Key::head(&self.layer));
        let bytes = print(&next);
        let fault = |source| Error::Store { key: key.to_string(), source };
        let etag = match &self.etag {
            Some(etag) => match store.replace(&key, etag, &bytes).await.map_err(fault)? {
                Replaced::Replaced(etag) => Some(etag),
                Replaced::Lost => None,
            },
            None => match store.create(&key, Payload::Bytes(&bytes)).await.map_err(fault)? {
                Created::Created(etag) => Some(etag),
                Created::Exists => None,
            },
        };
        if let Some(etag) = etag {
            (self.head, self.etag) = (next, Some(etag));
            return Ok(true);
        }
        (self.head, self.etag) = read_head(self.ports, &self.layer).await?;
        Ok(self.head == next)
    }

    fn contended(&self) -> Error {
        Error::Contended { layer: self.layer.clone(), writes: WRITES_MAX }
    }
}

/// Reads the head. An order that has come to its end is no order any more, whoever asks.
async fn read_head(ports: &Ports, layer: &LayerName) -> Result<(Head, Option<Etag>), Error> {
    let key = Key::head(layer);
    let stored = ports.store.read(&key).await;
    match stored.map_err(|source| Error::Store { key: key.to_string(), source })? {
        Some(stored) => {
            let mut head: Head = parse(&key, &stored.bytes, HEAD_FORMAT)?;
            head.lapse(ports.clock.now());
            Ok((head, Some(stored.etag)))
        }
        None => Ok((Head::new(layer.clone()), None)),
    }
}

/// Reads a release record, if it exists.
///
/// # Errors
/// [`Error::Store`], and [`Error::State`] where it cannot be understood.
pub async fn read_release(
    store: &dyn Store,
    layer: &LayerName,
    seq: u64,
) -> Result<Option<Release>, Error> {
    let key = Key::release(layer, seq);
    let stored = store.read(&key).await;
    match stored.map_err(|source| Error::Store { key: key.to_string(), source })? {
        Some(stored) => Ok(Some(parse(&key, &stored.bytes, RELEASE_FORMAT)?)),
        None => Ok(None),
    }
}

impl Release {
    /// Writes the record, or returns the one that is there already under this number.
    pub(crate) async fn record(&self, store: &dyn Store) -> Result<Option<Self>, Error> {
        let key = Key::release(&self.layer, self.seq);
        let bytes = print(self);
        let created = store.create(&key, Payload::Bytes(&bytes)).await;
        match created.map_err(|source| Error::Store { key: key.to_string(), source })? {
            Created::Created(_) => Ok(None),
            Created::Exists => read_release(store, &self.layer, self.seq).await,
        }
    }
}
