// The control socket: a unix-domain socket where one line of text asks and some text answers. One question per
// connection: the client sends a line ended by '\n', the server sends its answer and closes.
//
// The file is readable and writable for its owner only (0600); whoever may open it may ask.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "eddy/log.hpp"
#include "eddy/result.hpp"
#include "eddy/time.hpp"
#include "src/transport/loop.hpp"

namespace eddy::transport {

inline constexpr size_t line_bytes_max = 64 * 1024;
inline constexpr size_t line_clients_max = 16;
inline constexpr uint64_t reply_bytes_max = uint64_t{16} << 20;

/// Belongs to the loop's thread; destroy it before the loop.
class LineServer {
public:
    /// Called on the loop's thread with the line, without its end. Must not destroy the server.
    using Answer = std::function<std::string(const std::string& line)>;

    LineServer(Loop& loop, std::string path, Answer answer, LogFn log);
    /// Stops serving and removes the socket's file.
    ~LineServer();
    LineServer(const LineServer&) = delete;
    LineServer& operator=(const LineServer&) = delete;

    /// A file left by a node that died is removed; a socket on which somebody answers, or a file that is no socket, is
    /// an error that names it.
    Status listen();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

/// Blocking client, any thread: the whole answer, or why there is none. `line` must not contain a line end.
Result<std::string> ask(const std::string& path, const std::string& line, Usec timeout);

}  // namespace eddy::transport
