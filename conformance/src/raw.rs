//! A module's C functions, called as a C program calls them: nothing between the caller and the pointer.

#![expect(unsafe_code, reason = "loads a module and calls its C functions")]
#![expect(clippy::macro_metavars_in_unsafe, reason = "the arguments are coerced to the function's pointers")]

pub mod token;

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::path::Path;

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_ATTRIBUTE_TYPE, CK_FLAGS, CK_FUNCTION_LIST, CK_FUNCTION_LIST_3_2, CK_INTERFACE, CK_MECHANISM,
    CK_MECHANISM_TYPE, CK_RV, CK_ULONG, CK_UTF8CHAR, CK_VERSION, CKR_OK,
};
use libloading::Library;

/// Calls a function of a module's 2.40 list: `call!(raw, C_CloseSession, session)` is its `CK_RV`.
#[macro_export]
macro_rules! call {
    ($raw:expr, $name:ident $(, $argument:expr)* $(,)?) => {{
        let function = $raw.list().$name.expect("every pointer of the 2.40 list is set");
        // SAFETY: the caller of the macro passes what the standard asks for, or what the module has to refuse.
        unsafe { function($($argument),*) }
    }};
}

/// The same for the functions that versions 3.0 and 3.2 added: `call_3_2!(raw, C_SessionCancel, session, flags)`.
#[macro_export]
macro_rules! call_3_2 {
    ($raw:expr, $name:ident $(, $argument:expr)* $(,)?) => {{
        let function = $raw.list_3_2().$name.expect("every pointer of the 3.2 list is set");
        // SAFETY: the caller of the macro passes what the standard asks for, or what the module has to refuse.
        unsafe { function($($argument),*) }
    }};
}

/// Calls a function, and returns a [`token::Failure`] from the caller where it fails.
#[macro_export]
macro_rules! ok {
    ($raw:expr, $name:ident $(, $argument:expr)* $(,)?) => {
        match $crate::call!($raw, $name $(, $argument)*) {
            cryptoki_sys::CKR_OK => {}
            rv => return Err($crate::raw::token::Failure(stringify!($name), rv)),
        }
    };
}

/// A loaded module; it stays loaded to the end of the process, unless it is [closed](Raw::close).
#[derive(Debug)]
pub struct Raw {
    library: ManuallyDrop<Library>,
    list: &'static CK_FUNCTION_LIST,
}

impl Raw {
    /// Loads the module at `path` and asks it for its function list.
    ///
    /// # Panics
    /// Where that fails.
    pub fn load(path: &Path) -> Self {
        // SAFETY: the module under test is trusted to load.
        let library = unsafe { Library::new(path) }.unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        let mut list = std::ptr::null_mut();
        // SAFETY: the symbol has the type that the standard gives it, and `list` is valid for the write. The list is valid
        // while the library is loaded, which is until the process ends.
        let list = unsafe {
            type GetFunctionList = unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV;
            let get = library.get::<GetFunctionList>(b"C_GetFunctionList\0").expect("C_GetFunctionList is exported");
            assert_eq!(get(&raw mut list), CKR_OK, "C_GetFunctionList");
            list.as_ref().expect("a list")
        };
        Self { library: ManuallyDrop::new(library), list }
    }

    /// The function list of version 2.40.
    pub fn list(&self) -> &'static CK_FUNCTION_LIST {
        self.list
    }

    /// The function list of version 3.2.
    ///
    /// # Panics
    /// Where the module has none.
    pub fn list_3_2(&self) -> &'static CK_FUNCTION_LIST_3_2 {
        type GetInterface =
            unsafe extern "C" fn(*mut CK_UTF8CHAR, *mut CK_VERSION, *mut *mut CK_INTERFACE, CK_FLAGS) -> CK_RV;
        let (mut version, mut found) = (CK_VERSION { major: 3, minor: 2 }, std::ptr::null_mut());
        // SAFETY: the symbol has the type that the standard gives it; a version and room for the pointer. The list is
        // valid while the library is loaded, which is until the process ends.
        unsafe {
            let get = self.library.get::<GetInterface>(b"C_GetInterface\0").expect("C_GetInterface is exported");
            assert_eq!(get(std::ptr::null_mut(), &raw mut version, &raw mut found, 0), CKR_OK, "C_GetInterface");
            (*found).pFunctionList.cast::<CK_FUNCTION_LIST_3_2>().as_ref().expect("a list")
        }
    }

    /// Unloads the module, as far as it lets itself be unloaded.
    ///
    /// # Panics
    /// Where that fails.
    ///
    /// # Safety
    /// Nothing of the module is used afterwards: no [`Raw::list`], no symbol.
    pub unsafe fn close(self) {
        ManuallyDrop::into_inner(self.library).close().expect("the module unloads");
    }

    /// The address of an exported symbol, if there is one.
    pub fn symbol(&self, name: &str) -> Option<*const c_void> {
        // SAFETY: a symbol that is asked for as a pointer is its address, which is only taken.
        unsafe { self.library.get::<*const c_void>(name.as_bytes()) }.ok().map(|symbol| *symbol)
    }
}

/// A template under construction, which owns its values.
#[derive(Clone, Debug, Default)]
pub struct Attributes(Vec<(CK_ATTRIBUTE_TYPE, Vec<u8>)>);

impl Attributes {
    /// An empty template.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a `CK_BBOOL`.
    #[must_use]
    pub fn flag(self, kind: CK_ATTRIBUTE_TYPE, value: bool) -> Self {
        self.bytes(kind, &[u8::from(value)])
    }

    /// Adds a `CK_ULONG`.
    #[must_use]
    pub fn number(self, kind: CK_ATTRIBUTE_TYPE, value: CK_ULONG) -> Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds bytes.
    #[must_use]
    pub fn bytes(mut self, kind: CK_ATTRIBUTE_TYPE, value: &[u8]) -> Self {
        self.0.push((kind, value.to_vec()));
        self
    }

    /// The template as the standard has it; valid while `self` is.
    pub fn list(&mut self) -> Vec<CK_ATTRIBUTE> {
        let attribute = |(kind, value): &mut (CK_ATTRIBUTE_TYPE, Vec<u8>)| CK_ATTRIBUTE {
            type_: *kind,
            pValue: value.as_mut_ptr().cast(),
            ulValueLen: length(value),
        };
        self.0.iter_mut().map(attribute).collect()
    }
}

/// A mechanism without a parameter.
pub fn mechanism(kind: CK_MECHANISM_TYPE) -> CK_MECHANISM {
    CK_MECHANISM { mechanism: kind, pParameter: std::ptr::null_mut(), ulParameterLen: 0 }
}

/// A mechanism with `parameter`; valid while that is.
pub fn mechanism_with<T>(kind: CK_MECHANISM_TYPE, parameter: &mut T) -> CK_MECHANISM {
    let size = CK_ULONG::try_from(size_of::<T>()).expect("a structure is small");
    CK_MECHANISM { mechanism: kind, pParameter: std::ptr::from_mut(parameter).cast(), ulParameterLen: size }
}

/// The length of a slice as the standard counts.
pub fn length<T>(slice: &[T]) -> CK_ULONG {
    CK_ULONG::try_from(slice.len()).expect("a length fits")
}
