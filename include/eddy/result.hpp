// Result<T>: a value or an Error. For what a caller must expect (peer gone, bad config, malformed
// message); bugs are assertions (assert.hpp), and library exceptions stop at the adapter's edge.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "eddy/assert.hpp"

namespace eddy {

enum class ErrorCode {
    invalid,      ///< the input itself is wrong: configuration, message, file
    unsupported,  ///< well-formed, but nothing here can do it
    unavailable,  ///< may succeed later: peer gone, file busy
    exhausted,    ///< a stated bound was reached
    internal,     ///< a library reported something unforeseen
};

/// What went wrong, in words a user can act on: what, where, what is allowed.
struct Error {
    ErrorCode code = ErrorCode::internal;
    std::string message;

    friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

    [[nodiscard]] bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    /// Asking for the value of a failed Result is a bug, and stops the program.
    T& value() & {
        EDDY_ASSERT(ok());
        return *std::get_if<0>(&state_);
    }
    const T& value() const& {
        EDDY_ASSERT(ok());
        return *std::get_if<0>(&state_);
    }
    T&& value() && {
        EDDY_ASSERT(ok());
        return std::move(*std::get_if<0>(&state_));
    }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    const Error& error() const {
        EDDY_ASSERT(!ok());
        return *std::get_if<1>(&state_);
    }

private:
    std::variant<T, Error> state_;
};

/// A Result with nothing to give but success.
using Status = Result<std::monostate>;
inline Status success() { return std::monostate{}; }

inline Error invalid(std::string message) { return {ErrorCode::invalid, std::move(message)}; }
inline Error unsupported(std::string message) { return {ErrorCode::unsupported, std::move(message)}; }
inline Error unavailable(std::string message) { return {ErrorCode::unavailable, std::move(message)}; }
inline Error exhausted(std::string message) { return {ErrorCode::exhausted, std::move(message)}; }
inline Error internal(std::string message) { return {ErrorCode::internal, std::move(message)}; }

}  // namespace eddy
