#include "src/cli/logging.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace eddy::cli {

LogFn stderr_log(const std::string& name, const std::string& level) {
    auto logger = std::make_shared<spdlog::logger>(name, std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %n %l: %v");
    logger->set_level(level == "warning" ? spdlog::level::warn : spdlog::level::from_str(level));
    return [logger](LogLevel severity, const std::string& text) {
        switch (severity) {
            case LogLevel::debug: return logger->debug(text);
            case LogLevel::info: return logger->info(text);
            case LogLevel::warning: return logger->warn(text);
            case LogLevel::error: return logger->error(text);
        }
    };
}

}  // namespace eddy::cli
