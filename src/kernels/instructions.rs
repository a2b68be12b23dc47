//! Which instruction set the loops run in: the widest that the processor has, or the one that the
//! environment variable `PROPENSITY_SIMD` names, so that each can be tested on one machine.

use std::sync::OnceLock;

use pulp::{Arch, WithSimd};

use crate::error::{Error, Result};

/// The variable that names one.
pub const VARIABLE: &str = "PROPENSITY_SIMD";

/// What the process runs in from its first loop to its last: half a result in one set and half in another
/// would be neither's.
#[derive(Debug)]
struct Choice {
    arch: Arch,
    refused: Option<Error>,
}

static CHOICE: OnceLock<Choice> = OnceLock::new();

/// Run a loop in the instruction set of this process.
#[inline]
pub(super) fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    choice().arch.dispatch(op)
}

/// A function that runs a loop in the instruction set of this process: the loop's arguments go through a struct, since
/// a closure would not be inlined into the code for the wider one.
macro_rules! dispatched {
    ($(#[$about:meta])* $visible:vis fn $name:ident<$life:lifetime $(, $number:ident: $($bound:path),+)?>(
        $($field:ident: $type:ty),* $(,)?
     ) -> $output:ty, |$simd:pat_param| $body:expr) => {
        $(#[$about])*
        $visible fn $name<$life $(, $number: $($bound +)+)?>($($field: $type),*) -> $output {
            struct Loop<$life $(, $number)?> { $($field: $type),* }

            impl<$life $(, $number: $($bound +)+)?> pulp::WithSimd for Loop<$life $(, $number)?> {
                type Output = $output;

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, $simd: S) -> $output {
                    let Self { $($field),* } = self;
                    $body
                }
            }

            $crate::kernels::instructions::dispatch(Loop { $($field),* })
        }
    };
}
pub(super) use dispatched;

/// The name of the instruction set that the loops of this process run in.
///
/// # Errors
/// [`Error::Argument`] where the environment variable names one that is unknown, or that this processor has
/// not; loops that are run nevertheless run in the widest.
pub fn instruction_set() -> Result<&'static str> {
    let Choice { arch, refused } = choice();
    refused.clone().map_or(Ok(name(*arch)), Err)
}

#[inline]
fn choice() -> &'static Choice {
    CHOICE.get_or_init(|| {
        choose(std::env::var_os(VARIABLE).map(|name| name.to_string_lossy().into()))
    })
}

#[allow(clippy::disallowed_methods)] // this is the place that it is allowed in
fn widest() -> Arch {
    Arch::new()
}

/// An empty variable is one that is not set.
fn choose(asked: Option<String>) -> Choice {
    let asked = asked.filter(|name| !name.is_empty());
    match asked.as_deref().map(named) {
        None => Choice { arch: widest(), refused: None },
        Some(Some(arch)) => Choice { arch, refused: None },
        Some(None) => {
            let found = format!("{:?}", asked.unwrap_or_default());
            let refused = Some(Error::Argument { name: VARIABLE, found, allowed: ALLOWED });
            Choice { arch: widest(), refused }
        }
    }
}

#[cfg(target_arch = "x86_64")]
const ALLOWED: &str = "baseline, avx2 or avx512, and one that this processor has";

/// The instruction set of this name, where this processor has it.
#[cfg(target_arch = "x86_64")]
fn named(name: &str) -> Option<Arch> {
    match name {
        "baseline" => Some(Arch::Scalar),
        "avx2" => pulp::x86::V3::try_new().map(Arch::V3),
        "avx512" => pulp::x86::V4::try_new().map(Arch::V4),
        _ => None,
    }
}

#[cfg(target_arch = "x86_64")]
fn name(arch: Arch) -> &'static str {
    match arch {
        Arch::V4(_) => "avx512",
        Arch::V3(_) => "avx2",
        _ => "baseline",
    }
}

#[cfg(not(target_arch = "x86_64"))]
const ALLOWED: &str = "baseline, or widest";

/// Elsewhere there is one beside the baseline.
#[cfg(not(target_arch = "x86_64"))]
fn named(name: &str) -> Option<Arch> {
    match name {
        "baseline" => Some(Arch::Scalar),
        "widest" => Some(widest()),
        _ => None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn name(arch: Arch) -> &'static str {
    if matches!(arch, Arch::Scalar) { "baseline" } else { "widest" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choose_takes_the_widest_unless_it_is_told() {
        for not_set in [None, Some(String::new())] {
            let Choice { arch, refused } = choose(not_set);
            assert_eq!((name(arch), refused), (name(widest()), None));
        }
        let Choice { arch, refused } = choose(Some("baseline".into()));
        assert_eq!((name(arch), refused), ("baseline", None));
    }

    #[test]
    fn choose_refuses_what_it_does_not_know() {
        let Choice { arch, refused } = choose(Some("sse9".into()));
        assert_eq!(name(arch), name(widest()));
        let message = refused.unwrap().to_string();
        assert!(message.starts_with("PROPENSITY_SIMD must be baseline"), "{message}");
        assert!(message.ends_with("not \"sse9\""), "{message}");
    }
}
