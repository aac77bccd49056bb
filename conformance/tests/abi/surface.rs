//! What the library shows before anything is called: symbols, function lists, interfaces, and what it needs.

#![expect(unsafe_code, reason = "reads the module's tables")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::fs;
use std::path::Path;

use conformance::raw::Raw;
use conformance::{Module, run};
use cryptoki_sys::*;

use crate::harness::{alone, answers};
use crate::uninitialised::MISSING;

type GetInterfaceList = unsafe extern "C" fn(*mut CK_INTERFACE, *mut CK_ULONG) -> CK_RV;
type GetInterface = unsafe extern "C" fn(*mut CK_UTF8CHAR, *mut CK_VERSION, *mut *mut CK_INTERFACE, CK_FLAGS) -> CK_RV;

#[test]
fn nothing_is_exported_but_the_functions_of_the_header() {
    let path = Module::under_test().path().to_owned();
    let output = run(std::process::Command::new("nm").args(["-D", "--defined-only"]).arg(path)).ok().stdout();
    let mut exported: Vec<&str> = output.lines().filter_map(|line| line.split(' ').next_back()).collect();
    exported.sort_unstable();
    let list = format!("{:?}", CK_FUNCTION_LIST_3_2::default());
    let mut header: Vec<String> = pointers(&list).into_keys().collect();
    header.sort_unstable();
    assert_eq!(header.len(), 104, "functions of the header");
    assert_eq!(exported, header);
}

#[test]
fn the_readme_names_the_functions_that_are_there_and_those_that_are_not() {
    const BEGIN: &str =
        "<!-- functions: written by `README=write cargo test -p azihsm-conformance --test abi readme` -->\n";
    const END: &str = "<!-- end of functions -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let (before, rest) = readme.split_once(BEGIN).expect("the mark before the table");
    let (written, after) = rest.split_once(END).expect("the mark after the table");

    // The header's own order: by chapter, and within it as the standard has them.
    let header = format!("{:?}", CK_FUNCTION_LIST_3_2::default());
    let mut names: Vec<String> = pointers(&header).into_keys().collect();
    names.sort_by_key(|name| header.find(&format!("{name}:")));
    let (missing, there): (Vec<_>, Vec<_>) = names.iter().partition(|name| MISSING.contains(&name.as_str()));
    let list = |names: &[&String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let table = format!(
        "| | Functions |\n|---|---|\n| there ({}) | {} |\n| `CKR_FUNCTION_NOT_SUPPORTED` ({}) | {} |\n",
        there.len(),
        list(&there),
        missing.len(),
        list(&missing)
    );
    if std::env::var("README").is_ok_and(|value| value == "write") {
        fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).expect("README.md is writable");
    } else {
        assert_eq!(written, table, "write it anew as the mark says");
    }
}

#[test]
fn the_c_library_is_all_that_is_needed() {
    let path = Module::under_test().path().to_owned();
    let output = run(std::process::Command::new("readelf").arg("-d").arg(path)).ok().stdout();
    let needed: Vec<&str> = output.lines().filter(|line| line.contains("(NEEDED)")).collect();
    assert!(!needed.is_empty());
    for line in needed {
        assert!(line.contains("[libc.so.6]") || line.contains("[ld-linux-"), "{line}");
    }
    assert!(output.contains("NODELETE"), "threads that outlive dlclose need the code");
    assert!(output.contains("NOW"), "bound at load");
}

alone! {
    every_pointer_of_every_list_is_the_exported_function(raw) {
        for (interface, list) in lists(raw) {
            let pointers = pointers(&list);
            let wanted = match interface { (2, 40) => 68, (3, 0) => 92, (3, 2) => 104, other => panic!("{other:?}") };
            assert_eq!(pointers.len(), wanted, "{interface:?}");
            for (name, pointer) in pointers {
                let symbol = raw.symbol(&name).map(|symbol| format!("{symbol:?}"));
                assert_eq!(Some(pointer), symbol, "{name} of {interface:?}");
            }
        }
    }

    interfaces_are_3_2_and_3_0_and_2_40(raw) {
        let versions: Vec<_> = lists(raw).into_iter().map(|(version, _)| version).collect();
        assert_eq!(versions, [(3, 2), (3, 0), (2, 40)]);
        for interface in interfaces(raw) {
            assert_eq!(name(&interface), "PKCS 11");
            assert_eq!(interface.flags & !CKF_INTERFACE_FORK_SAFE, 0, "flags of the standard");
        }
    }

    too_little_room_for_interfaces(raw) {
        let (mut two, mut count) = ([CK_INTERFACE { pInterfaceName: std::ptr::null_mut(), pFunctionList: std::ptr::null_mut(), flags: 0 }; 2], 2);
        // SAFETY: room for two, as the count says.
        let rv = unsafe { get_interface_list(raw)(two.as_mut_ptr(), &raw mut count) };
        assert_eq!((rv, count), (CKR_BUFFER_TOO_SMALL, 3));
        // SAFETY: null is to be refused.
        assert_eq!(unsafe { get_interface_list(raw)(two.as_mut_ptr(), std::ptr::null_mut()) }, CKR_ARGUMENTS_BAD);
    }

    interfaces_are_found_by_name_and_version(raw) {
        let listed = interfaces(raw).map(|interface| interface.pFunctionList);
        assert_eq!(interface(raw, None, None, 0), Ok(listed[0]), "the default is the newest");
        assert_eq!(interface(raw, Some(c"PKCS 11"), None, 0), Ok(listed[0]));
        for (at, (major, minor)) in [(3, 2), (3, 0), (2, 40)].into_iter().enumerate() {
            let version = Some(CK_VERSION { major, minor });
            assert_eq!(interface(raw, Some(c"PKCS 11"), version, 0), Ok(listed[at]));
            assert_eq!(interface(raw, None, version, 0), Ok(listed[at]));
        }
    }

    what_no_interface_is_called_is_refused(raw) {
        for (major, minor) in [(2, 20), (3, 1), (3, 3), (0, 0), (255, 255)] {
            let version = Some(CK_VERSION { major, minor });
            assert_eq!(interface(raw, Some(c"PKCS 11"), version, 0), Err(CKR_ARGUMENTS_BAD), "{major}.{minor}");
        }
        for name in [c"", c"PKCS 1", c"PKCS 11 ", c"PKCS11", c"Vendor X"] {
            assert_eq!(interface(raw, Some(name), None, 0), Err(CKR_ARGUMENTS_BAD), "{name:?}");
        }
        assert_eq!(interface(raw, None, None, 1 << 20), Err(CKR_ARGUMENTS_BAD));
        // SAFETY: null is to be refused.
        let rv = unsafe { get_interface(raw)(std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut(), 0) };
        assert_eq!(rv, CKR_ARGUMENTS_BAD);
    }

    the_old_list_is_the_interface_2_40(raw) {
        let list: *const CK_FUNCTION_LIST = raw.list();
        assert_eq!(interfaces(raw)[2].pFunctionList.cast_const(), list.cast());
        answers!(CKR_ARGUMENTS_BAD, raw, C_GetFunctionList, std::ptr::null_mut());
    }

    the_library_says_which_standard_it_follows(raw) {
        assert_eq!(crate::harness::initialize(raw), CKR_OK);
        let mut info = CK_INFO::default();
        answers!(CKR_OK, raw, C_GetInfo, &raw mut info);
        assert_eq!((info.cryptokiVersion.major, info.cryptokiVersion.minor), (3, 2));
        for text in [&info.manufacturerID[..], &info.libraryDescription[..]] {
            assert!(text.iter().all(|byte| (b' '..=b'~').contains(byte)), "blank padded");
        }
        assert_eq!(info.flags, 0);
    }
}

fn get_interface_list(raw: &Raw) -> GetInterfaceList {
    let symbol = raw.symbol("C_GetInterfaceList").expect("exported");
    // SAFETY: the symbol has the type that the standard gives it.
    unsafe { std::mem::transmute::<*const c_void, GetInterfaceList>(symbol) }
}

fn get_interface(raw: &Raw) -> GetInterface {
    let symbol = raw.symbol("C_GetInterface").expect("exported");
    // SAFETY: the symbol has the type that the standard gives it.
    unsafe { std::mem::transmute::<*const c_void, GetInterface>(symbol) }
}

fn interfaces(raw: &Raw) -> [CK_INTERFACE; 3] {
    let mut count = 0;
    // SAFETY: a size query.
    assert_eq!(unsafe { get_interface_list(raw)(std::ptr::null_mut(), &raw mut count) }, CKR_OK);
    assert_eq!(count, 3);
    let none = CK_INTERFACE { pInterfaceName: std::ptr::null_mut(), pFunctionList: std::ptr::null_mut(), flags: 0 };
    let mut interfaces = [none; 3];
    // SAFETY: room for three, as the count says.
    assert_eq!(unsafe { get_interface_list(raw)(interfaces.as_mut_ptr(), &raw mut count) }, CKR_OK);
    interfaces
}

fn name(interface: &CK_INTERFACE) -> String {
    // SAFETY: the standard says it is a string ended by zero.
    unsafe { CStr::from_ptr(interface.pInterfaceName.cast()) }.to_str().expect("text").to_owned()
}

fn interface(
    raw: &Raw,
    name: Option<&CStr>,
    version: Option<CK_VERSION>,
    flags: CK_FLAGS,
) -> Result<*mut c_void, CK_RV> {
    let name = name.map_or(std::ptr::null_mut(), |name| name.as_ptr().cast_mut().cast());
    let mut version = version;
    let version = version.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let mut found: *mut CK_INTERFACE = std::ptr::null_mut();
    // SAFETY: null or a string and a version; room for the pointer.
    match unsafe { get_interface(raw)(name, version, &raw mut found, flags) } {
        // SAFETY: an interface of the library's, which stays.
        CKR_OK => Ok(unsafe { (*found).pFunctionList }),
        rv => {
            assert!(found.is_null(), "nothing is written where nothing is found");
            Err(rv)
        }
    }
}

/// Every interface's version, and its list printed with field names, by which the header is what they are compared with.
fn lists(raw: &Raw) -> Vec<((u8, u8), String)> {
    let print = |interface: CK_INTERFACE| {
        // SAFETY: every list begins with its version, which says what the list is.
        unsafe {
            let version = interface.pFunctionList.cast::<CK_VERSION>().read();
            let text = match (version.major, version.minor) {
                (2, 40) => format!("{:?}", *interface.pFunctionList.cast::<CK_FUNCTION_LIST>()),
                (3, 0) => format!("{:?}", *interface.pFunctionList.cast::<CK_FUNCTION_LIST_3_0>()),
                _ => format!("{:?}", *interface.pFunctionList.cast::<CK_FUNCTION_LIST_3_2>()),
            };
            ((version.major, version.minor), text)
        }
    };
    interfaces(raw).into_iter().map(print).collect()
}

/// Function names and addresses of a printed list.
fn pointers(list: &str) -> BTreeMap<String, String> {
    let field = |field: &str| {
        let (name, value) = field.trim().split_once(": ")?;
        let address = value.trim_start_matches("Some(").trim_end_matches([')', ' ', '}']);
        name.starts_with("C_").then(|| (name.to_owned(), address.to_owned()))
    };
    list.split(',').filter_map(field).collect()
}
