# Ruby's net-smtp: HOST PORT TLS CA USER PASSWORD JOB...
require "net/smtp"
require "openssl"

host, port, tls, ca, user, password, *jobs = ARGV
trust = OpenSSL::SSL::SSLContext.new
trust.set_params(ca_file: ca)
smtp = Net::SMTP.new(host, port.to_i, tls: false, starttls: false)
smtp.enable_starttls(trust) if tls == "starttls"
smtp.enable_tls(trust) if tls == "implicit"
login = user.empty? ? {} : { user: user, secret: password, authtype: :plain }
smtp.start(helo: "ruby.example", **login) do |session|
  jobs.each do |job|
    sender, *recipients = File.readlines("#{job}/envelope", chomp: true)
    session.send_message(File.binread("#{job}/message.eml"), sender, recipients)
  end
end
