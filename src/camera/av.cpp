#include "src/camera/av.hpp"

#include <cstdarg>
#include <mutex>

namespace eddy::camera::av {
namespace {

constexpr size_t lines_max = 4;
thread_local LogScope* current_scope = nullptr;

void keep_line(void* object, int level, const char* format, va_list arguments) {
    if (level > AV_LOG_ERROR || current_scope == nullptr) return;
    char line[512];
    int print_prefix = 0;  // without "[rtsp @ 0x55…]": addresses mean nothing to a user
    av_log_format_line2(object, level, format, arguments, line, sizeof line, &print_prefix);
    std::string text = line;
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    if (!text.empty()) current_scope->add(std::move(text));
}

}  // namespace

void initialise() {
    static std::once_flag once;
    std::call_once(once, [] {
        av_log_set_callback(keep_line);
        avdevice_register_all();
        avformat_network_init();
    });
}

LogScope::LogScope() : outer_(current_scope) { current_scope = this; }
LogScope::~LogScope() { current_scope = outer_; }

void LogScope::add(std::string line) {
    if (!lines_.empty() && lines_.back() == line) return;
    if (lines_.size() == lines_max) lines_.erase(lines_.begin());
    lines_.push_back(std::move(line));
}

std::string reason(int code) {
    char text[AV_ERROR_MAX_STRING_SIZE] = {};
    if (av_strerror(code, text, sizeof text) < 0) return "FFmpeg error " + std::to_string(code);
    return text;
}

std::string reason(int code, const LogScope& log) {
    std::string text = reason(code);
    std::string details;
    for (const auto& line : log.lines()) details += (details.empty() ? "" : "; ") + line;
    return details.empty() ? text : text + " (" + details + ")";
}

}  // namespace eddy::camera::av
