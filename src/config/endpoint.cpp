#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "src/config/node_config.hpp"

namespace eddy::config {
namespace {

constexpr size_t host_bytes_max = 253;

bool all_of(std::string_view text, std::string_view extra) {
    return std::all_of(text.begin(), text.end(), [extra](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               extra.find(c) != std::string_view::npos;
    });
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view text) {
    const Error wrong = invalid(fmt::format("\"{}\" is not host:port", text.substr(0, host_bytes_max)));
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return wrong;
    std::string_view host = text.substr(0, colon);
    const std::string_view port_text = text.substr(colon + 1);

    const bool v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (v6) host = host.substr(1, host.size() - 2);
    if (host.empty() || host.size() > host_bytes_max) return wrong;
    if (!all_of(host, v6 ? ":.%" : ".-_")) return wrong;
    if (v6 && host.find(':') == std::string_view::npos) return wrong;

    uint16_t port = 0;
    const auto [end, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
    if (error != std::errc{} || end != port_text.data() + port_text.size()) return wrong;
    return Endpoint{std::string(host), port};
}

std::string to_string(const Endpoint& endpoint) {
    const bool v6 = endpoint.host.find(':') != std::string::npos;
    return v6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
              : fmt::format("{}:{}", endpoint.host, endpoint.port);
}

bool is_loopback(const Endpoint& endpoint) {
    if (endpoint.host == "localhost" || endpoint.host == "::1") return true;
    // 127.0.0.0/8, written out in full: a name such as 127.example.org is not it.
    if (endpoint.host.rfind("127.", 0) != 0) return false;
    return std::all_of(endpoint.host.begin(), endpoint.host.end(),
                       [](char c) { return c == '.' || (c >= '0' && c <= '9'); }) &&
           std::count(endpoint.host.begin(), endpoint.host.end(), '.') == 3;
}

InputKind input_kind(std::string_view input) {
    if (input.rfind("file:", 0) == 0) return InputKind::file;
    if (input.rfind("lavfi:", 0) == 0 || input.rfind("/dev/", 0) == 0) return InputKind::live;
    const size_t scheme = input.find("://");
    const bool url = scheme != std::string_view::npos && scheme > 0 && all_of(input.substr(0, scheme), "+-.");
    return url ? InputKind::live : InputKind::file;
}

}  // namespace eddy::config
