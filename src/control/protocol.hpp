// The control socket's conversation: the client sends one line with one word, the node answers one line of JSON and
// closes. The socket itself belongs to src/transport; here are only the words.
//   status -> eddy.status/1      report -> eddy.report/1      stop -> {"ok": "…"}      anything else -> {"error": "…"}
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "eddy/result.hpp"

namespace eddy::control {

/// A longer request line is refused before it is read to its end.
inline constexpr size_t request_bytes_max = 256;

enum class Request { status, report, stop };

/// `line` with or without its line end; blanks around the word are allowed. The error's text goes into error_reply.
Result<Request> parse_request(std::string_view line);
/// What a client sends, newline included.
std::string request_line(Request request);

/// Splits requests off what a socket delivers piece by piece; holds at most request_bytes_max bytes.
class RequestReader {
public:
    /// Nothing until a whole line has come; then the request, or why it is none. Bytes after the line are ignored: a
    /// connection asks once.
    std::optional<Result<Request>> add(std::string_view bytes);

private:
    std::string line_;
    bool done_ = false;
};

/// Replies, newline included.
std::string error_reply(std::string_view message);
std::string ok_reply(std::string_view message);

/// The client's side: the JSON text of a reply, or the node's refusal as an error.
Result<std::string> read_reply(std::string_view reply);

}  // namespace eddy::control
