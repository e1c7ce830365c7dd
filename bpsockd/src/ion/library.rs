// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ION's library: its functions and structures as its header `bp.h` of 4.1.0 to 4.1.3 has them, found in the
//! library that is opened at run time.
//!
//! Its functions work on memory that all processes of ION share. What goes wrong there may end the process
//! (an aborted transaction does), so this is used in a [process of its own](super::worker).
#![allow(
    unsafe_code,
    reason = "the library is C: its functions are found by name, and take pointers"
)]

use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bpsock::abi::BundleId;
use rustix::io::Errno;
use tracing::debug;

use super::wire::Manner;

/// The versions whose structures are those below.
const SUPPORTED: std::ops::RangeInclusive<[u32; 3]> = [4, 1, 0]..=[4, 1, 3];
/// A function that the library has if it was built for version 7 of the protocol, and not for version 6.
const OF_VERSION_7: &str = "computeZcoCrc";
/// The last lines that ION has for its log, since somebody asked. Its functions say why they fail there only.
static LINES: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
/// So many of them.
const KEPT_LINES: usize = 16;
/// Octets of the longest endpoint ID that ION copies without looking at its length, and some less.
const EID: usize = 127;

/// An address in ION's heap.
type Object = usize;
/// The heap.
type Sdr = *mut c_void;

/// `BpTimestamp`.
#[repr(C)]
struct Timestamp {
    /// Since 2000; versions before 4.1.0 have seconds here.
    time_ms: u64,
    sequence: c_uint,
}

/// `BpDelivery`.
#[repr(C)]
struct Delivery {
    result: c_uint,
    source: *mut c_char,
    creation: Timestamp,
    lifetime_ms: c_uint,
    wants_answer: c_int,
    is_admin: c_int,
    adu: Object,
    metadata_type: u8,
    metadata_length: u8,
    metadata: [u8; METADATA],
}

/// `BpAncillaryData`.
#[repr(C)]
struct Ancillary {
    data_label: c_uint,
    flags: u8,
    ordinal: u8,
    metadata_type: u8,
    metadata_length: u8,
    metadata: [u8; METADATA],
    extensions: *mut c_void,
    extension_count: c_int,
    region: u32,
    must_not_fragment: u8,
}

/// `ZcoReader`.
#[repr(C)]
struct Reader {
    zco: Object,
    tracks_file_offset: c_int,
    copied: [i64; 4],
}

const METADATA: usize = 30;
#[cfg(target_pointer_width = "64")]
const _: () = assert!(
    size_of::<Delivery>() == 88
        && std::mem::offset_of!(Delivery, adu) == 48
        && size_of::<Ancillary>() == 64
        && std::mem::offset_of!(Ancillary, must_not_fragment) == 56
        && size_of::<Reader>() == 48
);

// `BpIndResult`.
const PRESENT: c_uint = 1;
const TIMED_OUT: c_uint = 2;
const INTERRUPTED: c_uint = 3;
const STOPPED: c_uint = 4;
/// Time-out of `bp_receive`: none.
const BLOCKING: c_int = -1;
/// `BpRecvRule`: bundles wait for the endpoint when nobody has it.
const ENQUEUE: c_uint = 1;
/// `BpCustodySwitch`.
const NO_CUSTODY: c_uint = 0;
/// `ZcoMedium`: in the heap.
const IN_HEAP: c_uint = 4;
/// `ZcoAcct`: what is to be sent.
const OUTBOUND: c_uint = 1;
/// What functions return that make an object, if they fail.
const NO_OBJECT: [Object; 2] = [0, usize::MAX];

/// Functions of the library, by name.
macro_rules! functions {
    ($($field:ident = $name:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// What is used of it.
        struct Functions {
            $($field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            fn find(library: &libloading::Library) -> Result<Self, OpenError> {
                Ok(Self { $(
                    $field: {
                        // SAFETY: the function of this name has this type in the versions that are
                        // supported. It is not called before the version is known to be one of them, but
                        // for those that tell the version, whose types are the same in all.
                        let found = unsafe { library.get($name) };
                        *found.map_err(|_| OpenError::Symbol($name))?
                    },
                )* })
            }
        }
    };
}

functions! {
    attach = "bp_attach": fn() -> c_int;
    detach = "bp_detach": fn();
    is_started = "bp_agent_is_started": fn() -> c_int;
    heap = "bp_get_sdr": fn() -> Sdr;
    open = "bp_open": fn(*mut c_char, *mut *mut c_void) -> c_int;
    close = "bp_close": fn(*mut c_void);
    send = "bp_send": fn(*mut c_void, *mut c_char, *mut c_char, c_int, c_int, c_uint, u8, c_int, *mut Ancillary, Object, *mut Object) -> c_int;
    receive = "bp_receive": fn(*mut c_void, *mut Delivery, c_int) -> c_int;
    interrupt = "bp_interrupt": fn(*mut c_void);
    release = "bp_release_delivery": fn(*mut Delivery, c_int);
    add_endpoint = "addEndpoint": fn(*mut c_char, c_uint, *mut c_char) -> c_int;
    remove_endpoint = "removeEndpoint": fn(*mut c_char) -> c_int;
    version = "getIonVersionNbr": fn() -> *const c_char;
    node = "getOwnNodeNbr": fn() -> u64;
    set_logger = "setLogger": fn(unsafe extern "C" fn(*mut c_char));
    begin = "sdr_begin_xn": fn(Sdr) -> c_int;
    end = "sdr_end_xn": fn(Sdr) -> c_int;
    allocate = "Sdr_malloc": fn(*const c_char, c_int, Sdr, usize) -> Object;
    free = "Sdr_free": fn(*const c_char, c_int, Sdr, Object);
    write = "Sdr_write": fn(*const c_char, c_int, Sdr, Object, *mut c_char, usize);
    create = "ionCreateZco": fn(c_uint, Object, i64, i64, u8, u8, c_uint, *mut c_void) -> Object;
    destroy = "zco_destroy": fn(Sdr, Object);
    length = "zco_source_data_length": fn(Sdr, Object) -> i64;
    start_reading = "zco_start_receiving": fn(Object, *mut Reader);
    read = "zco_receive_source": fn(Sdr, *mut Reader, i64, *mut c_char) -> i64;
    most = "zco_get_max_heap_occupancy": fn(Sdr, c_uint) -> f64;
    occupied = "zco_get_heap_occupancy": fn(Sdr, c_uint) -> f64;
}

/// Why there is no ION.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// There is no such library.
    #[error("cannot open ION's library (ion.library)")]
    Library(#[source] libloading::Error),
    /// It lacks a function.
    #[error("ION's library has no function {0}: it is none of 4.1.0 to 4.1.3")]
    Symbol(&'static str),
    /// It speaks version 6, with other structures.
    #[error("ION's library was built for version 6 of the Bundle Protocol (--enable-bpv6)")]
    Bpv6,
    /// It has other structures, or may have.
    #[error("ION's library is {0:?}, supported are 4.1.0 to 4.1.3")]
    Version(String),
    /// ION does not run here.
    #[error("cannot attach to ION: {0}")]
    Attach(String),
}

/// Why something was not done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// ION said no.
    Refused(Errno, String),
    /// Its functions fail: it has been stopped, or is broken.
    Broken(String),
}

/// The source and the properties of a message, and the message.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) source: String,
    pub(super) bundle: BundleId,
    /// Without what does not fit into 32 bits.
    pub(super) lifetime_ms: u32,
    pub(super) wants_answer: bool,
    pub(super) is_admin: bool,
    pub(super) data: Vec<u8>,
}

/// What a receiver hears.
#[derive(Debug)]
pub(super) enum Heard {
    Message(Received),
    /// Nothing, but somebody wanted it to look.
    Interrupted,
    /// ION was stopped.
    Stopped,
}

/// ION, attached.
pub(super) struct Ion {
    functions: Functions,
    heap: Sdr,
    version: String,
    /// ION's functions are not made for several threads, but for the one that waits for messages. So all others take
    /// turns. With these go the handles that are open.
    turn: Mutex<Handles>,
    _library: libloading::Library,
}

// SAFETY: the pointer is an address of memory that stays mapped until the process ends, and all uses of it
// are under `turn`, or inside of `bp_receive`, which locks the memory itself.
unsafe impl Send for Ion {}
// SAFETY: as above.
unsafe impl Sync for Ion {}

/// An endpoint that was opened. It has to be closed with [`Ion::close`], and is of no use afterwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sap(u64);

/// ION's handles, by numbers that are never used twice.
#[derive(Default)]
struct Handles {
    last: u64,
    open: BTreeMap<u64, *mut c_void>,
}

// SAFETY: ION knows them by process, and not by thread.
unsafe impl Send for Handles {}

impl Handles {
    fn of(&self, sap: Sap) -> Result<*mut c_void, Failure> {
        let closed = || Failure::Refused(Errno::BADF, "it is closed".to_owned());
        self.open.get(&sap.0).copied().ok_or_else(closed)
    }
}

/// The three numbers in a text.
fn numbers(text: &str) -> Option<[u32; 3]> {
    let is_part = |sign: char| sign.is_ascii_digit() || sign == '.';
    text.split(|sign| !is_part(sign)).find_map(|word| {
        let numbers: Result<Vec<u32>, _> = word.split('.').map(str::parse).collect();
        numbers.ok()?.try_into().ok()
    })
}

/// A text that ION may write to: it takes endpoint IDs apart where they stand.
fn text(text: &str) -> Result<Vec<u8>, Failure> {
    let invalid = |what: &str| Failure::Refused(Errno::INVAL, format!("{text:?} {what}"));
    if text.len() > EID {
        return Err(invalid("is longer than ION takes"));
    }
    let text = CString::new(text).map_err(|_| invalid("is no endpoint"))?;
    Ok(text.into_bytes_with_nul())
}

/// Takes a line for ION's log.
///
/// # Safety
///
/// The text is a string, or nothing.
unsafe extern "C" fn note(text: *mut c_char) {
    if text.is_null() {
        return;
    }
    // SAFETY: as above.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    debug!(text = text.trim(), "ION says");
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == KEPT_LINES {
        lines.pop_front();
    }
    lines.push_back(text.trim().to_owned());
}

/// What ION has said since it was asked last.
fn why() -> String {
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    Vec::from(std::mem::take(&mut *lines)).join("; ")
}

const FILE: *const c_char = c"bpsockd".as_ptr();

impl Ion {
    /// Opens the library, and attaches to ION. ION is found by the working directory, or by its own
    /// variables of the environment.
    pub(super) fn attach(path: &OsStr) -> Result<Self, OpenError> {
        // SAFETY: libraries of ION do nothing when they are loaded.
        let library = unsafe { libloading::Library::new(path) }.map_err(OpenError::Library)?;
        let functions = Functions::find(&library)?;
        // SAFETY: it is looked for, and not called.
        let of_7 = unsafe { library.get::<unsafe extern "C" fn()>(OF_VERSION_7) };
        if of_7.is_err() {
            return Err(OpenError::Bpv6);
        }
        let mut ion = Self {
            functions,
            heap: ptr::null_mut(),
            version: String::new(),
            turn: Mutex::new(Handles::default()),
            _library: library,
        };
        ion.listen();
        // SAFETY: it has no arguments. The library knows its version only when this was called.
        let is_attached = unsafe { (ion.functions.attach)() } == 0;
        // SAFETY: it returns a string that stays.
        let version = unsafe { CStr::from_ptr((ion.functions.version)()) };
        ion.version = version.to_string_lossy().into_owned();
        let is_supported = numbers(&ion.version).is_some_and(|it| SUPPORTED.contains(&it));
        if !ion.version.is_empty() && !is_supported {
            return Err(OpenError::Version(ion.version.clone()));
        }
        // SAFETY: ION is attached.
        if !is_attached || !unsafe { (ion.functions.is_started)() == 1 } {
            return Err(OpenError::Attach(why()));
        }
        // Attaching has given it back.
        ion.listen();
        // SAFETY: ION is attached.
        ion.heap = unsafe { (ion.functions.heap)() };
        if !is_supported || ion.heap.is_null() {
            return Err(OpenError::Version(ion.version.clone()));
        }
        Ok(ion)
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    fn turn(&self) -> MutexGuard<'_, Handles> {
        // Nothing that can panic happens half way through a change.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the node.
    pub(super) fn node(&self) -> u64 {
        let _turn = self.turn();
        // SAFETY: ION is attached.
        unsafe { (self.functions.node)() }
    }

    /// Whether nobody has stopped it.
    pub(super) fn is_started(&self) -> bool {
        let _turn = self.turn();
        // SAFETY: ION is attached.
        unsafe { (self.functions.is_started)() == 1 }
    }

    /// Lines for ION's log come to this program, and go to its own.
    fn listen(&self) {
        // SAFETY: the function stays.
        unsafe { (self.functions.set_logger)(note) };
    }

    fn broken() -> Failure {
        Failure::Broken(why())
    }

    /// Does something while nobody else changes ION's memory. Whatever comes of it, the transaction ends.
    fn transaction<T>(&self, what: impl FnOnce(Sdr) -> T) -> Result<T, Failure> {
        // SAFETY: ION is attached.
        if unsafe { (self.functions.begin)(self.heap) } == 0 {
            return Err(Self::broken());
        }
        let outcome = what(self.heap);
        // SAFETY: the transaction is this thread's.
        if unsafe { (self.functions.end)(self.heap) } < 0 {
            return Err(Self::broken());
        }
        Ok(outcome)
    }

    /// Opens an endpoint.
    pub(super) fn open(&self, endpoint: &str, may_add: bool) -> Result<Sap, Failure> {
        let mut turn = self.turn();
        match self.try_open(&mut turn, endpoint) {
            Err(Failure::Refused(Errno::ADDRNOTAVAIL, _)) if may_add => {}
            other => return other,
        }
        let mut name = text(endpoint)?;
        // SAFETY: the name is a string; no script is run for what comes.
        let added = unsafe {
            (self.functions.add_endpoint)(name.as_mut_ptr().cast(), ENQUEUE, ptr::null_mut())
        };
        match added {
            1 => self.try_open(&mut turn, endpoint),
            0 => Err(Failure::Refused(Errno::ADDRNOTAVAIL, why())),
            _ => Err(Self::broken()),
        }
    }

    fn try_open(&self, handles: &mut Handles, endpoint: &str) -> Result<Sap, Failure> {
        let mut name = text(endpoint)?;
        let mut sap = ptr::null_mut();
        why();
        // SAFETY: the name is a string, and there is a place for the handle.
        let opened = unsafe { (self.functions.open)(name.as_mut_ptr().cast(), &raw mut sap) };
        let why = why();
        if opened == 0 && !sap.is_null() {
            handles.last += 1;
            handles.open.insert(handles.last, sap);
            return Ok(Sap(handles.last));
        }
        // Without a handle and an error: this process has it already.
        let error = match why.as_str() {
            _ if opened == 0 => Errno::ADDRINUSE,
            why if why.contains("already open") => Errno::ADDRINUSE,
            why if why.contains("Endpoint not known") => Errno::ADDRNOTAVAIL,
            why if why.contains("Malformed EID") || why.contains("Scheme not known") => {
                Errno::AFNOSUPPORT
            }
            _ => return Err(Failure::Broken(why)),
        };
        Err(Failure::Refused(error, why))
    }

    /// Closes it, in the thread that receives. ION keeps what comes for it. If it is told to, it forgets the endpoint, unless
    /// something has come.
    pub(super) fn close(&self, sap: Sap, forget: Option<&str>) {
        let mut turn = self.turn();
        let Some(handle) = turn.open.remove(&sap.0) else {
            return;
        };
        // SAFETY: the handle is open, and the thread that waits with it is this one, or has ended.
        unsafe { (self.functions.close)(handle) };
        if let Some(mut name) = forget.and_then(|endpoint| text(endpoint).ok()) {
            // SAFETY: the name is a string.
            unsafe { (self.functions.remove_endpoint)(name.as_mut_ptr().cast()) };
        }
    }

    /// Sends a message. ION has it in its memory when this returns.
    pub(super) fn send(&self, sap: Sap, manner: &Manner, data: &[u8]) -> Result<(), Failure> {
        let turn = self.turn();
        let handle = turn.of(sap)?;
        let mut destination = text(&manner.destination)?;
        let mut report_to = manner.report_to.as_deref().map(text).transpose()?;
        let report_to = report_to.as_mut().map_or(ptr::null_mut(), Vec::as_mut_ptr);
        let adu = self.create(data, manner.priority)?;
        let mut ancillary = Ancillary {
            data_label: 0,
            flags: 0,
            ordinal: 0,
            metadata_type: 0,
            metadata_length: 0,
            metadata: [0; METADATA],
            extensions: ptr::null_mut(),
            extension_count: 0,
            region: 0,
            must_not_fragment: u8::from(!manner.may_fragment),
        };
        // SAFETY: the handle is open, the texts are strings, and nobody wants to know the bundle.
        let sent = unsafe {
            (self.functions.send)(
                handle,
                destination.as_mut_ptr().cast(),
                report_to.cast(),
                manner.lifetime_s,
                manner.priority.into(),
                NO_CUSTODY,
                manner.reports,
                manner.wants_answer.into(),
                &raw mut ancillary,
                adu,
                ptr::null_mut(),
            )
        };
        if sent == 1 {
            return Ok(());
        }
        let why = why();
        if sent != 0 {
            return Err(Failure::Broken(why));
        }
        // ION does not want it, so it stays ours.
        // SAFETY: the object was made above, and nobody has it.
        self.transaction(|heap| unsafe { (self.functions.destroy)(heap, adu) })?;
        Err(Failure::Refused(Errno::INVAL, why))
    }

    /// The message as an object of ION's. It is not empty: that would be the end of ION's next program.
    fn create(&self, data: &[u8], priority: u8) -> Result<Object, Failure> {
        let length = i64::try_from(data.len()).ok().filter(|length| *length > 0);
        let length = length.ok_or_else(|| Failure::Refused(Errno::MSGSIZE, String::new()))?;
        self.check_room(data.len())?;
        let extent = self.transaction(|heap| self.copy_in(heap, data))?;
        if extent == 0 {
            return Err(Failure::Refused(Errno::NOBUFS, why()));
        }
        // SAFETY: the extent is that long; without room it does not wait.
        let object = unsafe {
            let wait = ptr::null_mut();
            (self.functions.create)(IN_HEAP, extent, 0, length, priority, 0, OUTBOUND, wait)
        };
        if !NO_OBJECT.contains(&object) {
            return Ok(object);
        }
        let why = why();
        // SAFETY: nobody else has the extent.
        self.transaction(|heap| unsafe { (self.functions.free)(FILE, 0, heap, extent) })?;
        Err(match object {
            0 => Failure::Refused(Errno::NOBUFS, why),
            _ => Failure::Broken(why),
        })
    }

    /// A copy of the message in the heap, or 0. To be called inside of a transaction.
    fn copy_in(&self, heap: Sdr, data: &[u8]) -> Object {
        // SAFETY: there is a transaction, and the length is no zero.
        let extent = unsafe { (self.functions.allocate)(FILE, 0, heap, data.len()) };
        if extent != 0 {
            // SAFETY: the extent has that length, and the data are only read.
            unsafe {
                let from = data.as_ptr().cast_mut().cast();
                (self.functions.write)(FILE, 0, heap, extent, from, data.len());
            }
        }
        extent
    }

    /// Whether ION would take so much. A message for which there is never room is told from one for which there
    /// is none now.
    fn check_room(&self, length: usize) -> Result<(), Failure> {
        // SAFETY: ION is attached.
        let (most, occupied) = self.transaction(|heap| unsafe {
            let most = (self.functions.most)(heap, OUTBOUND);
            (most, (self.functions.occupied)(heap, OUTBOUND))
        })?;
        #[expect(clippy::cast_precision_loss, reason = "that much is no message")]
        let length = length as f64;
        let error = match length {
            length if length > most => Errno::MSGSIZE,
            length if length > most - occupied => Errno::NOBUFS,
            _ => return Ok(()),
        };
        let why = format!("{occupied} of {most} octets are in use");
        Err(Failure::Refused(error, why))
    }

    /// Waits for a message, and takes it out of ION.
    pub(super) fn receive(&self, sap: Sap) -> Result<Heard, Failure> {
        let handle = self.turn().of(sap)?;
        let mut delivery = Delivery {
            result: TIMED_OUT,
            source: ptr::null_mut(),
            creation: Timestamp {
                time_ms: 0,
                sequence: 0,
            },
            lifetime_ms: 0,
            wants_answer: 0,
            is_admin: 0,
            adu: 0,
            metadata_type: 0,
            metadata_length: 0,
            metadata: [0; METADATA],
        };
        // SAFETY: the handle is open, and this is the thread that receives.
        let done = unsafe { (self.functions.receive)(handle, &raw mut delivery, BLOCKING) };
        let _turn = self.turn();
        if done != 0 {
            return Err(Self::broken());
        }
        match delivery.result {
            PRESENT => {}
            STOPPED => return Ok(Heard::Stopped),
            TIMED_OUT | INTERRUPTED => return Ok(Heard::Interrupted),
            other => return Err(Failure::Broken(format!("bp_receive says {other}"))),
        }
        let data = self.transaction(|heap| self.copy_out(heap, delivery.adu));
        // SAFETY: ION has put a string there.
        let source = unsafe { CStr::from_ptr(delivery.source) };
        let source = source.to_string_lossy().into_owned();
        // SAFETY: the delivery is ION's, and nothing of it is used afterwards.
        unsafe { (self.functions.release)(&raw mut delivery, 1) };
        Ok(Heard::Message(Received {
            source,
            bundle: BundleId {
                creation_ms: delivery.creation.time_ms,
                sequence: delivery.creation.sequence.into(),
            },
            lifetime_ms: delivery.lifetime_ms,
            wants_answer: delivery.wants_answer != 0,
            is_admin: delivery.is_admin != 0,
            data: data?.ok_or_else(|| Failure::Broken("a message cannot be read".to_owned()))?,
        }))
    }

    /// What an object holds. To be called inside of a transaction.
    fn copy_out(&self, heap: Sdr, adu: Object) -> Option<Vec<u8>> {
        // SAFETY: there is a transaction, and the object is of a delivery.
        let length = unsafe { (self.functions.length)(heap, adu) };
        let mut data = vec![0; usize::try_from(length).ok()?];
        let mut reader = Reader {
            zco: 0,
            tracks_file_offset: 0,
            copied: [0; 4],
        };
        // SAFETY: there is room for the whole object.
        let read = unsafe {
            (self.functions.start_reading)(adu, &raw mut reader);
            let to = data.as_mut_ptr().cast();
            (self.functions.read)(heap, &raw mut reader, length, to)
        };
        (read == length).then_some(data)
    }

    /// Makes the thread that waits for messages look.
    pub(super) fn interrupt(&self, sap: Sap) {
        let turn = self.turn();
        if let Ok(handle) = turn.of(sap) {
            // SAFETY: the handle is open, and stays so for this turn.
            unsafe { (self.functions.interrupt)(handle) };
        }
    }

    /// Ends the access. All endpoints have to be closed.
    pub(super) fn detach(&self) {
        let _turn = self.turn();
        // SAFETY: nobody uses ION afterwards.
        unsafe { (self.functions.detach)() };
    }
}

/// Signals that are for the daemon do not end this process, which ends with the daemon.
pub(super) fn ignore_signals() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: no handler is installed, so nothing runs in a signal.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_texts() {
        let is_supported =
            |text: &str| numbers(text).is_some_and(|version| SUPPORTED.contains(&version));
        for text in ["ION-OPEN-SOURCE-4.1.3", "4.1.0", "ION-NASA-B 4.1.2 x"] {
            assert!(is_supported(text), "{text}");
        }
        for text in [
            "",
            "unknown version",
            "ION-OPEN-SOURCE-4.0.2",
            "4.1.4",
            "4.1",
            "3.7.4",
        ] {
            assert!(!is_supported(text), "{text}");
        }
    }
}
