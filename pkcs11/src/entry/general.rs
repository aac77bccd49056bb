//! General-purpose functions (PKCS#11 v3.2, 5.4).

use std::ptr::NonNull;

use cryptoki_sys::{
    CK_C_INITIALIZE_ARGS, CK_FLAGS, CK_FUNCTION_LIST, CK_INFO, CK_INTERFACE, CK_SESSION_HANDLE, CK_ULONG, CK_UTF8CHAR,
    CK_VERSION, CK_VOID_PTR, CRYPTOKI_VERSION_MAJOR, CRYPTOKI_VERSION_MINOR,
};
use session::Code;
use session::call::SessionHandle;

use super::padded;
use crate::boundary::{entry_points, quiet_panics};
use crate::memory::{array, initialize_arguments, is_text, place, read};
use crate::tables;

entry_points! {
    /// `C_Initialize` (5.4.1).
    Anytime => fn C_Initialize(pInitArgs: CK_VOID_PTR) {
        quiet_panics();
        // SAFETY: null or a CK_C_INITIALIZE_ARGS, as the standard says.
        session::general::initialize(unsafe { initialize_arguments(pInitArgs.cast::<CK_C_INITIALIZE_ARGS>()) })
    }

    /// `C_Finalize` (5.4.2): `pReserved` is for future versions.
    Library => fn C_Finalize(pReserved: CK_VOID_PTR) {
        if !pReserved.is_null() {
            return Err(Code::ArgumentsBad.because("pReserved is not null"));
        }
        session::general::finalize()
    }

    /// `C_GetInfo` (5.4.3).
    Library => fn C_GetInfo(pInfo: *mut CK_INFO) {
        // SAFETY: the standard's promise for `pInfo`.
        let place = unsafe { place(pInfo) }?;
        let info = session::general::info()?;
        place.put(CK_INFO {
            cryptokiVersion: CK_VERSION { major: CRYPTOKI_VERSION_MAJOR, minor: CRYPTOKI_VERSION_MINOR },
            manufacturerID: padded(info.manufacturer),
            flags: 0,
            libraryDescription: padded(info.description),
            libraryVersion: CK_VERSION { major: info.version.0, minor: info.version.1 },
        });
        Ok(())
    }

    /// `C_GetFunctionList` (5.4.4): the list of version 2.40.
    Anytime => fn C_GetFunctionList(ppFunctionList: *mut *mut CK_FUNCTION_LIST) {
        // SAFETY: the standard's promise for `ppFunctionList`.
        unsafe { place(ppFunctionList) }?.put(std::ptr::from_ref(tables::function_list()).cast_mut());
        Ok(())
    }

    /// `C_GetInterfaceList` (5.4.5).
    Anytime => fn C_GetInterfaceList(pInterfacesList: *mut CK_INTERFACE, pulCount: *mut CK_ULONG) {
        // SAFETY: the standard's promise for the list and its count.
        unsafe { array(pInterfacesList, pulCount) }?.deliver(tables::interfaces().iter().copied())
    }

    /// `C_GetInterface` (5.4.6): a null name is the default interface, a null version the newest. A name, version or flag
    /// that no interface has is `CKR_ARGUMENTS_BAD`.
    Anytime => fn C_GetInterface(
        pInterfaceName: *mut CK_UTF8CHAR,
        pVersion: *mut CK_VERSION,
        ppInterface: *mut *mut CK_INTERFACE,
        flags: CK_FLAGS,
    ) {
        // SAFETY: the standard's promise for `ppInterface`.
        let place = unsafe { place(ppInterface) }?;
        // SAFETY: a name is a string ended by zero.
        if NonNull::new(pInterfaceName).is_some_and(|name| !unsafe { is_text(name, tables::NAME) }) {
            return Err(Code::ArgumentsBad.because("an interface of another name"));
        }
        // SAFETY: null or a version, as the standard says.
        let version = unsafe { read(pVersion) };
        let interface = tables::interface(version)
            .filter(|interface| interface.flags & flags == flags)
            .ok_or_else(|| Code::ArgumentsBad.because("an interface of another version or with other flags"))?;
        place.put(std::ptr::from_ref(interface).cast_mut());
        Ok(())
    }

    /// `C_GetFunctionStatus` (5.20.1): a legacy function.
    Session(hSession) => fn C_GetFunctionStatus(hSession: CK_SESSION_HANDLE) {
        session::sessions::not_parallel(SessionHandle(hSession))
    }

    /// `C_CancelFunction` (5.20.2): a legacy function.
    Session(hSession) => fn C_CancelFunction(hSession: CK_SESSION_HANDLE) {
        session::sessions::not_parallel(SessionHandle(hSession))
    }
}
