<?php
// PHPMailer builds each message and sends it on one connection: HOST PORT TLS CA USER PASSWORD JOB...
error_reporting(E_ALL & ~E_DEPRECATED);
require '/usr/share/php/libphp-phpmailer/autoload.php';

use PHPMailer\PHPMailer\PHPMailer;

[$host, $port, $tls, $ca, $user, $password] = array_slice($argv, 1, 6);
$mail = new PHPMailer(true);
$mail->isSMTP();
$mail->SMTPKeepAlive = true;
$mail->SMTPAutoTLS = false;
$mail->Host = $host;
$mail->Port = (int) $port;
$mail->Hostname = 'php.example';
$mail->CharSet = 'UTF-8';
$mail->SMTPSecure = ['off' => '', 'starttls' => PHPMailer::ENCRYPTION_STARTTLS, 'implicit' => PHPMailer::ENCRYPTION_SMTPS][$tls];
$mail->SMTPOptions = ['ssl' => ['cafile' => $ca, 'peer_name' => 'localhost']];
$mail->SMTPAuth = $user !== '';
[$mail->Username, $mail->Password] = [$user, $password];
foreach (array_slice($argv, 7) as $job) {
    $lines = file("$job/envelope", FILE_IGNORE_NEW_LINES);
    $mail->clearAllRecipients();
    $mail->clearAttachments();
    $mail->setFrom($lines[0]);
    foreach (array_slice($lines, 1) as $recipient) {
        $mail->addAddress($recipient);
    }
    $mail->Subject = file_get_contents("$job/subject");
    $mail->Body = file_get_contents("$job/text");
    if (file_exists("$job/attachment")) {
        $mail->addAttachment("$job/attachment", 'a.bin');
    }
    $mail->send();
    file_put_contents("$job/message.eml", $mail->getSentMIMEMessage());
}
$mail->smtpClose();
