import jakarta.mail.Authenticator;
import jakarta.mail.Message;
import jakarta.mail.PasswordAuthentication;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeBodyPart;
import jakarta.mail.internet.MimeMessage;
import jakarta.mail.internet.MimeMultipart;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.List;
import java.util.Properties;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;

/** Jakarta Mail builds each message and sends it on one connection: HOST PORT TLS CA USER PASSWORD JOB... */
class Send {
    public static void main(String[] given) throws Exception {
        Session session = Session.getInstance(properties(given), new Authenticator() {
            @Override
            protected PasswordAuthentication getPasswordAuthentication() {
                return new PasswordAuthentication(given[4], given[5]);
            }
        });
        try (Transport transport = session.getTransport("smtp")) {
            transport.connect();
            for (String job : List.of(given).subList(6, given.length)) {
                MimeMessage message = message(session, Path.of(job));
                transport.sendMessage(message, message.getAllRecipients());
                try (OutputStream sent = Files.newOutputStream(Path.of(job, "message.eml"))) {
                    message.writeTo(sent);
                }
            }
        }
    }

    private static Properties properties(String[] given) throws Exception {
        Properties found = new Properties();
        found.put("mail.smtp.host", given[0]);
        found.put("mail.smtp.port", given[1]);
        found.put("mail.smtp.localhost", "java.example");
        found.put("mail.smtp.starttls.enable", "" + given[2].equals("starttls"));
        found.put("mail.smtp.starttls.required", "" + given[2].equals("starttls"));
        found.put("mail.smtp.ssl.enable", "" + given[2].equals("implicit"));
        found.put("mail.smtp.ssl.socketFactory", trusting(Path.of(given[3])));
        found.put("mail.smtp.ssl.checkserveridentity", "true");
        found.put("mail.smtp.auth", "" + !given[4].isEmpty());
        return found;
    }

    private static SSLSocketFactory trusting(Path authority) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (var in = Files.newInputStream(authority)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context.getSocketFactory();
    }

    private static MimeMessage message(Session session, Path job) throws Exception {
        List<String> envelope = Files.readAllLines(job.resolve("envelope"));
        MimeMessage message = new MimeMessage(session);
        message.setFrom(new InternetAddress(envelope.get(0)));
        for (String recipient : envelope.subList(1, envelope.size())) {
            message.addRecipient(Message.RecipientType.TO, new InternetAddress(recipient));
        }
        message.setSubject(Files.readString(job.resolve("subject")), "UTF-8");
        String text = Files.readString(job.resolve("text"));
        Path attachment = job.resolve("attachment");
        if (Files.exists(attachment)) {
            MimeBodyPart body = new MimeBodyPart();
            body.setText(text, "UTF-8");
            MimeBodyPart file = new MimeBodyPart();
            file.attachFile(attachment.toFile());
            message.setContent(new MimeMultipart(body, file));
        } else {
            message.setText(text, "UTF-8");
        }
        message.saveChanges();
        return message;
    }
}
